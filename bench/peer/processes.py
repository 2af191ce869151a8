"""Workloads in processes of their own: peer_work and torch_work.py."""

import json
import os
import subprocess
import threading
import time

# Nothing that is measured takes this long; what does has got stuck.
TIMEOUT = 900.0


class Failed(Exception):
    """A workload that could not be run; its text is the reason."""


class Worker:
    """A process that answers a number with the figures of so many steps.

    After the constructor the first step is done: `ready` is what the process
    said then, and `startup` the seconds from its start until it did. Raises
    Failed."""

    def __init__(self, command, threads, timeout=TIMEOUT):
        self.command, self.timeout = command, timeout
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        start = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=environment)
        self.complaints = []
        # What a process complains of must not fill the pipe and stop it.
        self.listener = threading.Thread(
            target=self._listen, args=(self.process.stderr,), daemon=True)
        self.listener.start()
        try:
            self.ready = self._answer()
        except Failed:
            self.close()
            raise
        self.startup = time.perf_counter() - start

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _listen(self, stream):
        for line in stream:
            self.complaints = (self.complaints + [line.strip()])[-5:]

    def _answer(self):
        # A timer that kills: the read below then ends.
        timer = threading.Timer(self.timeout, self.process.kill)
        timer.start()
        try:
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            code = self.process.wait()
            self.listener.join(1)
            last = self.complaints[-1] if self.complaints else "nothing"
            raise Failed(f"ended with {code} after saying: {last}")
        try:
            figures = json.loads(line)
        except ValueError:
            raise Failed(f"printed {line.strip()!r}") from None
        if "error" in figures:
            raise Failed(figures["error"])
        return figures

    def run(self, steps):
        """The figures of so many steps, by name."""
        try:
            self.process.stdin.write(f"{steps}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # why it ended is told by what it does not answer
        return self._answer()

    def close(self):
        """Ends the process."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.listener.join(1)
        self.process.stdout.close()
        self.process.stderr.close()


def arguments(work, threads, settings):
    """work, and --net, --width, ... of what is given."""
    words = [work, "--threads", str(threads)]
    for name, value in settings.items():
        words += ["--" + name.replace("_", "-"), str(value)]
    return words
