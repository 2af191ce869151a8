#!/usr/bin/env python3
"""Times the training step of every method of docs/convergence-protocol.md.

    bench/convergence/time_steps.py [--program build/bench/convergence/convergence]
                                    [--out bench/convergence] [--rounds 3]
                                    [--data autoencoder=FOLDER resnet20=FOLDER]

On a machine that does nothing else: one epoch of each method in turn, with all
threads, several rounds. Writes <out>/steps.csv, a row a run, and prints the
medians as ratios to Sgd's step of the same task. Thor's step contains its
share of the refreshes. Needs the Python standard library.
"""

import argparse
import csv
import os
import subprocess
import sys
from collections import defaultdict
from statistics import median

from run import FIELDS, LENGTHS, TRIALS, TUNED_AS, arguments, data_folders


def one_epoch(options, task, method):
    """Seconds of a step, averaged over an epoch of training."""
    trial = TRIALS[task][TUNED_AS.get(method, method)][0]
    command = [options.program, *arguments(task, method, trial), "--epochs",
               "1"]
    folders = data_folders(options.data)
    if task in folders:
        command += ["--data-dir", folders[task]]
    # Threads that sleep early: see docs/training.md.
    environment = {"GOMP_SPINCOUNT": "1000", **os.environ}
    line = subprocess.run(command, check=True, capture_output=True, text=True,
                          env=environment).stdout.strip()
    row = dict(zip(FIELDS[1:], line.split(",")))
    return float(row["seconds"]) / int(row["steps"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program",
                        default="build/bench/convergence/convergence")
    parser.add_argument("--out", default="bench/convergence")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", nargs="+", default=[],
                        metavar="TASK=FOLDER", help="where a task's data is")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    times = defaultdict(list)
    with open(os.path.join(options.out, "steps.csv"), "w",
              newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["task", "method", "round", "seconds_per_step"])
        for number in range(1, options.rounds + 1):
            for task, methods in LENGTHS.items():
                for method in methods:
                    seconds = one_epoch(options, task, method)
                    times[task, method].append(seconds)
                    writer.writerow([task, method, number, f"{seconds:.6f}"])
                    file.flush()
    for (task, method), values in times.items():
        ratio = median(values) / median(times[task, "sgd"])
        print(f"{task} {method}: {ratio:.2f} of a step of Sgd")


if __name__ == "__main__":
    sys.exit(main())
