#!/usr/bin/env python3
"""Runs the protocol of docs/convergence-protocol.md.

    bench/convergence/run.py [--program build/bench/convergence/convergence]
                             [--out bench/convergence] [--tasks resnet8 ...]
                             [--jobs 2]

Every run becomes one row of <out>/runs.csv as soon as it is done; started
again, it skips the runs that are there. Each run has one thread, and --jobs of
them go side by side, so that what else the machine does changes how long they
take and nothing else: the time of a step is measured apart, by time_steps.py.
Needs the Python standard library.
"""

import argparse
import csv
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

FIELDS = [
    "phase", "task", "method", "epochs", "seed", "learning_rate", "damping",
    "weight_decay", "frequency", "status", "steps", "seconds", "flops",
    "train_loss", "validation_loss", "validation_accuracy", "cosine",
    "refreshes",
]

# The longest run, in epochs, and the lengths that are tried.
EPOCHS = {"resnet8": 5, "autoencoder": 10}
SHARES = [0.4, 0.6, 0.8, 1.0]
TUNING_SEED = 100
REPORT_SEEDS = [1, 2, 3]

# (learning rate, damping): as many trials for each method, at each length.
TRIALS = {
    "resnet8": {
        "sgd": [(0.05, 0), (0.1, 0), (0.2, 0), (0.4, 0)],
        "adamw": [(0.001, 0), (0.003, 0), (0.01, 0), (0.03, 0)],
        "thor": [(0.1, 0.03), (0.2, 0.1), (0.3, 0.1), (0.3, 0.3)],
    },
    "autoencoder": {
        "sgd": [(0.0003, 0), (0.001, 0), (0.003, 0), (0.01, 0)],
        "adamw": [(0.0003, 0), (0.001, 0), (0.003, 0), (0.01, 0)],
        "thor": [(0.03, 3.0), (0.03, 10.0), (0.1, 10.0), (0.1, 30.0)],
    },
}
WEIGHT_DECAY = {
    "resnet8": {"sgd": 5e-4, "adamw": 0.05, "thor": 5e-4},
    "autoencoder": {"sgd": 1e-5, "adamw": 1e-5, "thor": 1e-5},
}
FREQUENCY = 20


def lengths(task):
    return [round(share * EPOCHS[task]) for share in SHARES]


class Book:
    """The runs so far: a CSV file that only grows."""

    def __init__(self, path):
        self.path = path
        self.rows = []
        self.lock = threading.Lock()
        if os.path.exists(path):
            self.drop_torn_line()
            with open(path, newline="") as file:
                self.rows = list(csv.DictReader(file))

    def drop_torn_line(self):
        """A run that was killed while writing leaves half a line."""
        with open(self.path, "rb+") as file:
            content = file.read()
            file.truncate(content.rfind(b"\n") + 1)

    @staticmethod
    def key(row):
        return (row["phase"], row["task"], row["method"], int(row["epochs"]),
                int(row["seed"]), float(row["learning_rate"]),
                float(row["damping"]))

    def find(self, key):
        for row in self.rows:
            if self.key(row) == key:
                return row
        return None

    def add(self, row):
        with self.lock:
            self.rows.append(row)
            new = (not os.path.exists(self.path)
                   or not os.path.getsize(self.path))
            with open(self.path, "a", newline="") as file:
                writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
                if new:
                    writer.writeheader()
                writer.writerow(row)


def loss_of(row):
    loss = float(row["validation_loss"])
    return loss if loss == loss else float("inf")


class Protocol:
    def __init__(self, book, program, data_folder, jobs):
        self.book = book
        self.program = program
        self.data_folder = data_folder
        self.jobs = jobs

    def run(self, phase, task, method, epochs, seed, trial):
        rate, damping = trial
        key = (phase, task, method, epochs, seed, float(rate), float(damping))
        row = self.book.find(key)
        if row:
            return row
        command = [
            self.program, "--task", task, "--method", method, "--epochs",
            str(epochs), "--seed", str(seed), "--learning-rate", repr(rate),
            "--damping", repr(damping), "--frequency", str(FREQUENCY),
            "--weight-decay", repr(WEIGHT_DECAY[task][method]), "--threads",
            "1",
        ]
        if self.data_folder:
            command += ["--data-dir", self.data_folder]
        began = time.time()
        text = subprocess.run(command, check=True, capture_output=True,
                              text=True).stdout.strip()
        row = dict(zip(FIELDS, [phase] + text.split(",")))
        self.book.add(row)
        print(f"{phase} {task} {method} {epochs} epochs, seed {seed}, "
              f"{rate} {damping}: {row['status']}, validation loss "
              f"{row['validation_loss']} ({time.time() - began:.0f} s)",
              flush=True)
        return row

    def best(self, task, method, epochs):
        """The trial with the lowest validation loss at this length."""
        return min(TRIALS[task][method], key=lambda trial: loss_of(
            self.run("tune", task, method, epochs, TUNING_SEED, trial)))

    def compare(self, task):
        pairs = [(method, epochs) for epochs in reversed(lengths(task))
                 for method in ("sgd", "thor", "adamw")]
        with ThreadPoolExecutor(self.jobs) as pool:
            # list() raises what a run raised.
            list(pool.map(lambda args: self.run(*args), [
                ("tune", task, method, epochs, TUNING_SEED, trial)
                for method, epochs in pairs
                for trial in TRIALS[task][method]]))
            list(pool.map(lambda args: self.run(*args), [
                ("report", task, method, epochs, seed,
                 self.best(task, method, epochs))
                for method, epochs in pairs for seed in REPORT_SEEDS]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program",
                        default="build/bench/convergence/convergence")
    parser.add_argument("--out", default="bench/convergence")
    parser.add_argument("--data-dir", default="")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--tasks", nargs="+", default=list(EPOCHS),
                        choices=list(EPOCHS))
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    book = Book(os.path.join(options.out, "runs.csv"))
    protocol = Protocol(book, options.program, options.data_dir,
                        options.jobs)
    for task in options.tasks:
        protocol.compare(task)


if __name__ == "__main__":
    sys.exit(main())
