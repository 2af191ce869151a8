#!/usr/bin/env python3
"""Turns <out>/runs.csv of run.py, and <out>/steps.csv of time_steps.py, into
docs/convergence.md's tables and plots.

    bench/convergence/report.py [--out bench/convergence] [--docs docs]

Prints the tables as Markdown and writes an SVG per task into the folder of
--docs. Needs the Python standard library.
"""

import argparse
import csv
import os
from collections import defaultdict
from statistics import mean, median, stdev

METHODS = ["sgd", "adamw", "thor", "thor-trace", "kfac"]
COLORS = {"sgd": "#1f77b4", "adamw": "#2ca02c", "thor": "#d62728",
          "thor-trace": "#ff7f0e", "kfac": "#9467bd"}
NAMES = {"sgd": "Sgd", "adamw": "AdamW", "thor": "Thor",
         "thor-trace": "Thor (0.01, 0)", "kfac": "Kfac"}


def read(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for field in ("seed", "steps"):
            row[field] = int(row[field])
        for field in ("epochs", "refreshes", "learning_rate", "damping",
                      "seconds", "flops", "train_loss", "validation_loss",
                      "validation_accuracy", "cosine"):
            row[field] = float(row[field])
        if row["status"] != "completed":
            row["validation_loss"] = float("inf")
    return rows


def read_step_times(path):
    """Seconds of a step by (task, method): the median over the rounds."""
    times = defaultdict(list)
    if os.path.exists(path):
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                times[row["task"], row["method"]].append(
                    float(row["seconds_per_step"]))
    return {key: median(values) for key, values in times.items()}


def groups_of(rows, task):
    """Report runs by (method, epochs)."""
    groups = defaultdict(list)
    for row in rows:
        if row["task"] == task and row["phase"] == "report":
            groups[row["method"], row["epochs"]].append(row)
    return groups


def target_of(groups):
    """Mean validation loss of the tuned Sgd runs of full length."""
    longest = max(epochs for method, epochs in groups if method == "sgd")
    return mean(row["validation_loss"] for row in groups["sgd", longest])


def first_length(groups, method, target):
    """The shortest length whose mean reaches the target, or None."""
    reached = [epochs for m, epochs in groups if m == method
               and mean(r["validation_loss"] for r in groups[m, epochs])
               <= target]
    return min(reached, default=None)


def spread(values):
    return stdev(values) if len(values) > 1 else 0.0


def run_time(step_time, task, method, steps):
    """Seconds of a run, or None if its steps were never timed."""
    seconds = step_time.get((task, method))
    return None if seconds is None else steps * seconds


def ratio(value, to):
    return f"{value / to:.2f}"


def headline(task, groups, target, step_time):
    """Each method's shortest length that reaches the target, against Sgd's."""
    lines = ["| method | epochs | steps / Sgd's | seconds / Sgd's "
             "| operations / Sgd's |", "|---|---|---|---|---|"]
    cost = {}
    for method in METHODS:
        first = first_length(groups, method, target)
        if first is None:
            lines.append(f"| {NAMES[method]} | not reached | - | - | - |")
            continue
        rows = groups[method, first]
        steps = rows[0]["steps"]
        cost[method] = (steps, run_time(step_time, task, method, steps),
                        mean(r["flops"] for r in rows))
        ratios = " | ".join(ratio(mine, other) if mine and other else "-"
                            for mine, other in zip(cost[method], cost["sgd"]))
        lines.append(f"| {NAMES[method]} | {first:g} | {ratios} |")
    return "\n".join(lines)


def summary(task, groups, target, step_time):
    lines = [f"### {task}: target validation loss {target:.4f}", "",
             "| method | epochs | learning rate | damping | validation loss "
             "| accuracy % | steps | refreshes | seconds | TFLOP | cos |",
             "|---|---|---|---|---|---|---|---|---|---|---|"]
    for method in METHODS:
        first = first_length(groups, method, target)
        for (m, epochs), rows in sorted(groups.items()):
            if m != method:
                continue
            seconds = run_time(step_time, task, m, rows[0]["steps"])
            seconds = "-" if seconds is None else f"{seconds:.0f}"
            losses = [row["validation_loss"] for row in rows]
            mark = " **first**" if epochs == first else ""
            accuracy = 100 * mean(r["validation_accuracy"] for r in rows)
            accuracy = f"{accuracy:.2f}" if accuracy == accuracy else "-"
            lines.append(
                f"| {NAMES[method]}{mark} | {epochs:g} "
                f"| {rows[0]['learning_rate']:g} | {rows[0]['damping']:g} "
                f"| {mean(losses):.4f} +- {spread(losses):.4f} "
                f"| {accuracy} "
                f"| {rows[0]['steps']} "
                f"| {mean(r['refreshes'] for r in rows):.0f} "
                f"| {seconds} "
                f"| {mean(r['flops'] for r in rows) / 1e12:.1f} "
                f"| {mean(r['cosine'] for r in rows):.2f} |")
    return "\n".join(lines)


def every_run(rows, task):
    lines = ["| phase | method | epochs | seed | learning rate | damping "
             "| training loss | validation loss | status |",
             "|---|---|---|---|---|---|---|---|---|"]
    for r in rows:
        if r["task"] == task:
            lines.append(
                f"| {r['phase']} | {NAMES[r['method']]} | {r['epochs']:g} "
                f"| {r['seed']} | {r['learning_rate']:g} | {r['damping']:g} "
                f"| {r['train_loss']:.4f} | {r['validation_loss']:.4f} "
                f"| {r['status']} |")
    return "\n".join(lines)


def plot(task, groups, target):
    """Validation loss against steps, one line per method, as SVG."""
    width, height, left, bottom = 640, 400, 70, 50
    points = {m: sorted((rows[0]["steps"],
                         [r["validation_loss"] for r in rows])
                        for (k, _), rows in groups.items() if k == m)
              for m in METHODS}
    finite = [v for series in points.values() for _, values in series
              for v in values if v != float("inf")]
    low, high = min(finite + [target]), max(finite + [target])
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
    longest = max(steps for series in points.values() for steps, _ in series)

    def x(steps):
        return left + (width - left - 20) * steps / (1.05 * longest)

    def y(loss):
        return height - bottom - (height - bottom - 20) * (loss - low) / (
            high - low)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
             f'height="{height}" font-family="sans-serif" font-size="13">',
             f'<rect width="{width}" height="{height}" fill="white"/>',
             f'<path d="M{left} 20V{height - bottom}H{width - 20}" '
             'fill="none" stroke="black"/>']
    for k in range(6):
        loss = low + (high - low) * k / 5
        steps = longest * k // 5
        parts.append(f'<text x="{left - 8}" y="{y(loss) + 4:.1f}" '
                     f'text-anchor="end">{loss:.4g}</text>')
        parts.append(f'<text x="{x(steps):.1f}" y="{height - bottom + 18}" '
                     f'text-anchor="middle">{steps}</text>')
    parts.append(f'<text x="{(width + left) / 2}" y="{height - 10}" '
                 'text-anchor="middle">steps of the whole run</text>')
    parts.append(f'<text x="{left + 8}" y="16">validation loss at the end, '
                 f'{task}; dashed: target</text>')
    parts.append(f'<path d="M{left} {y(target):.1f}H{width - 20}" '
                 'stroke="grey" stroke-dasharray="5 4"/>')
    for row, method in enumerate(METHODS):
        series = [(s, [v for v in values if v != float("inf")])
                  for s, values in points[method]]
        series = [(s, values) for s, values in series if values]
        color = COLORS[method]
        line = " ".join(f"{x(s):.1f},{y(mean(v)):.1f}" for s, v in series)
        parts.append(f'<polyline points="{line}" fill="none" '
                     f'stroke="{color}" stroke-width="2"/>')
        for steps, values in series:
            parts += [f'<circle cx="{x(steps):.1f}" cy="{y(v):.1f}" r="3" '
                      f'fill="{color}"/>' for v in values]
        parts.append(f'<text x="{width - 120}" y="{40 + 18 * row}" '
                     f'fill="{color}">{NAMES[method]}</text>')
    return "\n".join(parts + ["</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default="bench/convergence")
    parser.add_argument("--docs", default="docs")
    options = parser.parse_args()
    rows = read(os.path.join(options.out, "runs.csv"))
    step_time = read_step_times(os.path.join(options.out, "steps.csv"))
    for task in dict.fromkeys(row["task"] for row in rows):
        groups = groups_of(rows, task)
        if not any(method == "sgd" for method, _ in groups):
            print(f"### {task}: no reported run of Sgd yet, so no target\n")
            continue
        target = target_of(groups)
        print(headline(task, groups, target, step_time), "\n")
        print(summary(task, groups, target, step_time), "\n\nEvery run:\n",
              sep="\n")
        print(every_run(rows, task), "\n")
        path = os.path.join(options.docs, f"convergence-{task}.svg")
        with open(path, "w") as file:
            file.write(plot(task, groups, target))


if __name__ == "__main__":
    main()
