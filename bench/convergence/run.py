#!/usr/bin/env python3
"""Runs the protocol of docs/convergence-protocol.md.

    bench/convergence/run.py [--program build/bench/convergence/convergence]
                             [--out bench/convergence] [--tasks resnet8 ...]
                             [--methods kfac ...] [--jobs 2]
                             [--data autoencoder=FOLDER resnet20=FOLDER]

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

# Lengths in epochs that are tried. Sgd's longest is E, whose loss is the target.
LENGTHS = {
    "resnet8": {"sgd": [2, 3, 4, 5], "adamw": [2, 3, 4, 5],
                "thor": [2, 3, 4, 5], "thor-trace": [2, 3, 4, 5],
                "kfac": [1.5, 2, 2.5, 3]},
    "autoencoder": {"sgd": [4, 6, 8, 10], "adamw": [4, 6, 8, 10],
                    "thor": [4, 6, 8, 10], "thor-trace": [4, 6, 8, 10],
                    "kfac": [2, 3, 4, 5]},
    "resnet20": {"sgd": [1, 2], "adamw": [1, 2], "thor": [1, 2],
                 "thor-trace": [1, 2], "kfac": [1, 2]},
}
TUNING_SEED = 100
REPORT_SEEDS = [1, 2, 3]

# (learning rate, damping): as many trials for each method, at each length.
TRIALS = {
    "resnet8": {
        "sgd": [(0.05, 0), (0.1, 0), (0.2, 0), (0.4, 0)],
        "adamw": [(0.001, 0), (0.003, 0), (0.01, 0), (0.03, 0)],
        "thor": [(0.1, 0.03), (0.2, 0.1), (0.3, 0.1), (0.3, 0.3)],
        "kfac": [(0.1, 0.0001), (0.1, 0.0003), (0.2, 0.0003), (0.2, 0.001)],
    },
    "autoencoder": {
        "sgd": [(0.0003, 0), (0.001, 0), (0.003, 0), (0.01, 0)],
        "adamw": [(0.0003, 0), (0.001, 0), (0.003, 0), (0.01, 0)],
        "thor": [(0.03, 3.0), (0.03, 10.0), (0.1, 10.0), (0.1, 30.0)],
        "kfac": [(0.1, 0.3), (0.1, 1.0), (0.3, 1.0), (0.3, 3.0)],
    },
}
TRIALS["resnet20"] = TRIALS["resnet8"]
# The rule only decides when Thor refreshes: it runs with Thor's winner.
TUNED_AS = {"thor-trace": "thor"}
WEIGHT_DECAY = {"resnet8": 5e-4, "autoencoder": 1e-5, "resnet20": 5e-4}
DECOUPLED_DECAY = {"resnet8": 0.05, "autoencoder": 1e-5, "resnet20": 0.05}
KL_CLIP = {"resnet8": 0.01, "autoencoder": 0.1, "resnet20": 0.01}
FREQUENCY = 20


def arguments(task, method, trial):
    """What the program is told of a method."""
    rate, damping = trial
    decay = DECOUPLED_DECAY if method == "adamw" else WEIGHT_DECAY
    return ["--task", task, "--method", method, "--learning-rate", repr(rate),
            "--damping", repr(damping), "--frequency", str(FREQUENCY),
            "--kl-clip", repr(KL_CLIP[task]), "--weight-decay",
            repr(decay[task])]


def data_folders(pairs):
    """{"resnet20": "FOLDER"} of ["resnet20=FOLDER"]."""
    return dict(pair.split("=", 1) for pair in pairs)


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
        return (row["phase"], row["task"], row["method"], float(row["epochs"]),
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
    def __init__(self, book, program, folders, jobs):
        self.book = book
        self.program = program
        self.folders = folders
        self.jobs = jobs

    def run(self, phase, task, method, epochs, seed, trial):
        rate, damping = trial
        key = (phase, task, method, float(epochs), seed, float(rate),
               float(damping))
        row = self.book.find(key)
        if row:
            return row
        command = [self.program, *arguments(task, method, trial), "--epochs",
                   str(epochs), "--seed", str(seed), "--threads", "1"]
        if task in self.folders:
            command += ["--data-dir", self.folders[task]]
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
        method = TUNED_AS.get(method, method)
        return min(TRIALS[task][method], key=lambda trial: loss_of(
            self.run("tune", task, method, epochs, TUNING_SEED, trial)))

    def compare(self, task, methods):
        # The longest first: they decide when all is done.
        pairs = sorted(((method, epochs) for method in methods
                        for epochs in LENGTHS[task][method]),
                       key=lambda pair: -pair[1])
        with ThreadPoolExecutor(self.jobs) as pool:
            # list() raises what a run raised.
            list(pool.map(lambda args: self.run(*args), [
                ("tune", task, method, epochs, TUNING_SEED, trial)
                for method, epochs in pairs if method not in TUNED_AS
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
    parser.add_argument("--data", nargs="+", default=[],
                        metavar="TASK=FOLDER", help="where a task's data is")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--tasks", nargs="+", default=list(LENGTHS),
                        choices=list(LENGTHS))
    parser.add_argument("--methods", nargs="+",
                        default=list(LENGTHS["resnet8"]),
                        choices=list(LENGTHS["resnet8"]))
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    book = Book(os.path.join(options.out, "runs.csv"))
    protocol = Protocol(book, options.program, data_folders(options.data),
                        options.jobs)
    for task in options.tasks:
        protocol.compare(task, options.methods)


if __name__ == "__main__":
    sys.exit(main())
