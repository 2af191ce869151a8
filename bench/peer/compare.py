#!/usr/bin/env python3
"""Runs the same work in Mjolnir and in PyTorch, in rounds that alternate so
that a busy machine disturbs both alike, and prints our time over the best that
PyTorch does, beside its target. docs/performance.md explains the rows.

Run by `./mjolnir bench --peer torch`, whose interpreter has PyTorch; without
one (--alone) our figures are taken all the same. PyTorch is a peer to compare
with; nothing in Mjolnir uses it.
"""

import argparse
import datetime
import json
import os
import re
import sys
from statistics import median

from figures import moved
from processes import Failed, Worker, arguments
from rows import ROWS

HERE = os.path.dirname(os.path.abspath(__file__))
COMMITTED = os.path.join(HERE, "..", "..", "docs", "performance.json")
# That say which kernels a CPU can run.
CPU_FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16",
             "amx_bf16")


class Session:
    """The settings of a run, and what all rows share."""

    def __init__(self, options):
        self.rounds, self.threads = options.rounds, options.threads
        self.steps, self.small = options.steps, options.small
        self.data = options.data
        self.program, self.alone = options.program, options.alone
        self.wanted = options.variants
        self.peaks = []  # of GEMM, GFLOP/s
        self.versions = {}

    def steps_of(self, repeat):
        return max(1, round(self.steps * repeat))

    def size(self, settings):
        """A copy of a net's size; a tiny one if all is to be small."""
        if not self.small:
            return dict(settings)
        width = 6 if settings["net"] == "lenet5" else 4
        return {**settings, "width": width, "batch": min(4, settings["batch"])}

    def gemm_settings(self):
        return {"gemm_size": 64 if self.small else 2048}

    def ours(self, work, settings, threads=None):
        threads = threads or self.threads
        worker = Worker([self.program] + arguments(work, threads, settings),
                        threads)
        self.learn(worker, "mjolnir")
        return worker

    def theirs(self, work, settings, variant):
        script = os.path.join(HERE, "torch_work.py")
        worker = Worker([sys.executable, "-W", "ignore", script]
                        + arguments(work, self.threads, settings)
                        + ["--variant", variant], self.threads)
        self.learn(worker, "peer")
        return worker

    def learn(self, worker, party):
        for key in ("version", "onednn", "blas"):
            if isinstance(worker.ready.get(key), str):
                name = party if key == "version" else f"{party} {key}"
                self.versions[name] = worker.ready[key]

    def variants(self, possible):
        """Those of a workload's variants that are wanted."""
        if self.alone:
            return []
        return [name for name in possible
                if not self.wanted or name in self.wanted]

    def measure_gemm(self):
        with self.ours("gemm", self.gemm_settings()) as worker:
            self.peaks.append(worker.run(5)["gflops"])

    def gemm_peak(self):
        """GFLOP/s: the best that was measured so far."""
        return max(self.peaks)


def cpu():
    """The model, and which of CPU_FLAGS it has (Linux)."""
    model, flags = "unknown", set()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key.strip() == "model name" and model == "unknown":
                    model = value.strip()
                elif key.strip() == "flags":
                    flags = set(value.split())
    except OSError:
        pass
    return model, [flag for flag in CPU_FLAGS if flag in flags]


# ---- what is printed --------------------------------------------------------


def number(value, unit):
    """Our figure in words: 12.3 ms, 1050 MB."""
    if value is None:
        return "-"
    if unit == "s":
        value, unit = value * 1e3, "ms"
    decimals = 0 if value >= 1000 else 1 if value >= 10 else 3
    return f"{value:.{decimals}f} {unit}"


def target_of(made):
    """"<= 0.60", or nothing."""
    if made["target"] is None:
        return ""
    return f"{'>=' if made['at_least'] else '<='} {made['target']:.2f}"


def line(made):
    """A row of the table."""
    start = f"{made['words']:41} {number(made['ours'], made['unit']):>14}"
    if made["ratio"] is None:
        return start
    verdict = {None: "", True: "met", False: "MISSED"}[made["met"]]
    return (f"{start} {number(made['peer'], made['unit']):>14} "
            f"{made['peer_variant']:22} {made['ratio']:6.3f} "
            f"[{made['min']:.3f}, {made['max']:.3f}]  {target_of(made):>8} "
            f"{verdict}".rstrip())


def heading():
    return (f"{'':41} {'Mjolnir':>14} {'the peer':>14} {'which is':22} "
            f"{'ratio':>6} [min, max]       target")


def print_check(made):
    """What moved since the committed run, which may be absent."""
    if not os.path.exists(COMMITTED):
        print("\nno run is committed: docs/performance.json is not there")
        return
    with open(COMMITTED, encoding="utf-8") as file:
        committed = json.load(file)
    found = moved(made, committed["rows"])
    print(f"\nagainst the run of {committed['date']} on {committed['cpu']}: "
          f"{len(found)} ratios moved by more than 15 %")
    for name, then, now in found:
        print(f"  {name:24} {then:.3f} -> {now:.3f} ({now / then - 1:+.0%})")


# ---- a run ------------------------------------------------------------------


def measure(session, names):
    """The rows of these names, printed as they come."""
    made = []
    for name in names:
        if sys.stderr.isatty():
            print(f"{name} ...", end="\r", file=sys.stderr, flush=True)
        session.measure_gemm()
        for found in ROWS[name](session, name):
            print(line(found), flush=True)
            for variant, reason in found.get("skipped", {}).items():
                print(f"    without {variant}: {reason}")
            made.append(found)
    return made


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="peer_work")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6,
                        help="steps of the large nets in a round, of which the "
                             "median counts; small ones make more")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", metavar="REGEX", default="",
                        help="rows whose name matches: " + ", ".join(ROWS))
    parser.add_argument("--variants", nargs="+", metavar="NAME",
                        help="of PyTorch, instead of all")
    parser.add_argument("--data", metavar="FOLDER",
                        help="of CIFAR-10; without it images are made up")
    parser.add_argument("--json", metavar="FILE", help="also write rows there")
    parser.add_argument("--check", action="store_true",
                        help="also print which ratios are not those of "
                             "docs/performance.json any more")
    parser.add_argument("--alone", action="store_true", help="without PyTorch")
    parser.add_argument("--small", action="store_true",
                        help="tiny networks: tries the program, not the speed")
    options = parser.parse_args()
    if min(options.rounds, options.steps, options.threads) < 1:
        parser.error("--rounds, --steps and --threads are at least 1")
    try:
        names = [name for name in ROWS if re.search(options.only, name)]
    except re.error as error:
        parser.error(f"--only: {error}")
    if not names:
        parser.error(f"--only {options.only}: no such row")
    return options, names


def main():
    options, names = parse()
    session = Session(options)
    model, flags = cpu()
    date = datetime.date.today().isoformat()
    print(f"{date}, {model} ({' '.join(flags) or 'no known flags'}), "
          f"{os.cpu_count()} cores, {session.threads} threads a side, "
          f"{session.rounds} alternating rounds\n")
    print(heading())
    try:
        made = measure(session, names)
    except Failed as reason:
        sys.exit(f"mjolnir: a workload failed: {reason}")
    peaks = session.peaks
    print(f"\nGEMM peak, the faster of oneDNN and OpenBLAS: median "
          f"{median(peaks):.0f} GFLOP/s [{min(peaks):.0f}, {max(peaks):.0f}]")
    for name, version in session.versions.items():
        print(f"{name}: {version}")
    if options.check:
        print_check(made)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"date": date, "cpu": model, "cpu_flags": flags,
                       "cores": os.cpu_count(), "threads": session.threads,
                       "rounds": session.rounds, "steps": session.steps,
                       "versions": session.versions,
                       "gemm_peak_gflops": median(peaks),
                       "gemm_peak_min": min(peaks),
                       "gemm_peak_max": max(peaks), "rows": made},
                      file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
