#!/usr/bin/env python3
"""Writes the result of `./mjolnir bench --peer torch --json
docs/performance.json` into docs/performance.md, between its marks, and
plots the GFLOP/s over the width to docs/performance.svg.

    bench/peer/report.py [--docs docs]
"""

import argparse
import json
import os
import re
import sys
from math import floor, log2, log10

from compare import number, target_of

BEGIN, END = "<!-- result: bench/peer/report.py -->", "<!-- end of result -->"
PLOT = "performance.svg"
SERIES = re.compile(r"^gflops_w(\d+)$")


def series(run):
    """(width, GFLOP/s of a step) in rising order."""
    found = [(int(SERIES.match(row["name"]).group(1)), row["ours"])
             for row in run["rows"] if SERIES.match(row["name"])]
    return sorted(found)


def table_row(row):
    cells = [row["words"], number(row["ours"], row["unit"])]
    if row["ratio"] is None:
        cells += ["-"] * 6
    else:
        cells += [number(row["peer"], row["unit"]), row["peer_variant"],
                  f"**{row['ratio']:.3f}**",
                  f"{row['min']:.3f} - {row['max']:.3f}", target_of(row),
                  {None: "", True: "met", False: "missed"}[row["met"]]]
    return "| " + " | ".join(cells) + " |"


def result(run):
    """The section as Markdown."""
    lines = [
        f"Run of {run['date']} on {run['cpu']} "
        f"({', '.join(run['cpu_flags'])}), {run['cores']} cores; "
        f"{run['threads']} threads a side, {run['rounds']} alternating rounds. "
        f"GEMM peak {run['gemm_peak_gflops']:.0f} GFLOP/s "
        f"({run['gemm_peak_min']:.0f} to {run['gemm_peak_max']:.0f} over the "
        "run). " + "; ".join(f"{name}: {version}" for name, version
                             in run["versions"].items()) + ".",
        "", "| | Mjolnir | the peer | which is | ratio | of the rounds "
        "| target | |", "|---|---|---|---|---|---|---|---|"]
    lines += [table_row(row) for row in run["rows"]]
    skipped = {(variant, reason) for row in run["rows"]
               for variant, reason in row.get("skipped", {}).items()}
    lines += [f"\nNot run: {variant}: {reason}"
              for variant, reason in sorted(skipped)]
    if series(run):
        lines += ["", "![GFLOP/s of a training step of ResNet-20 over its "
                  f"width]({PLOT})"]
    return "\n".join(lines)


def fill(page, run):
    """The page with the run's result between the marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"the page has no lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{result(run)}\n{END}{after}"


def ticks(highest):
    """Round numbers from 0 to at most `highest`, three to eight of them."""
    step = 10 ** floor(log10(highest / 2))
    while highest / step > 7:
        step *= 2.5 if str(step)[0] == "2" else 2
    return [i * step for i in range(int(highest / step) + 1)]


def plot(run):
    """GFLOP/s over the width, a line at GEMM's, as SVG."""
    width, height, left, bottom, top = 640, 360, 70, 50, 30
    points = series(run)
    peak = run["gemm_peak_gflops"]
    highest = 1.1 * max([peak] + [speed for _, speed in points])
    first, last = log2(points[0][0]), log2(points[-1][0])

    def x(channels):
        share = (log2(channels) - first) / ((last - first) or 1)
        return left + 20 + (width - left - 60) * share

    def y(speed):
        return height - bottom - (height - bottom - top) * speed / highest

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
             f'height="{height}" font-family="sans-serif" font-size="13">',
             f'<rect width="{width}" height="{height}" fill="white"/>',
             f'<path d="M{left} {top}V{height - bottom}H{width - 20}" '
             'fill="none" stroke="black"/>']
    for speed in ticks(highest):
        parts.append(f'<text x="{left - 8}" y="{y(speed) + 4:.1f}" '
                     f'text-anchor="end">{speed:.0f}</text>')
    parts += [f'<text x="{x(channels):.1f}" y="{height - bottom + 18}" '
              f'text-anchor="middle">{channels}</text>'
              for channels, _ in points]
    parts += [
        f'<text x="{left}" y="18">GFLOP/s of a training step of ResNet-20, by '
        "the arithmetic of direct convolutions</text>",
        f'<text x="{(width + left) / 2}" y="{height - 10}" '
        'text-anchor="middle">width (channels of the first stage)</text>',
        f'<path d="M{left} {y(peak):.1f}H{width - 20}" stroke="grey" '
        'stroke-dasharray="5 4"/>',
        f'<text x="{left + 8}" y="{y(peak) - 6:.1f}" fill="grey">GEMM peak '
        "</text>",
        '<polyline points="' + " ".join(
            f"{x(channels):.1f},{y(speed):.1f}" for channels, speed in points)
        + '" fill="none" stroke="#1f77b4" stroke-width="2"/>']
    parts += [f'<circle cx="{x(channels):.1f}" cy="{y(speed):.1f}" r="4" '
              'fill="#1f77b4"/>' for channels, speed in points]
    return "\n".join(parts + ["</svg>", ""])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", default="docs")
    options = parser.parse_args()
    path = os.path.join(options.docs, "performance.json")
    try:
        with open(path, encoding="utf-8") as file:
            run = json.load(file)
    except OSError as error:
        sys.exit(f"{error}: ./mjolnir bench --peer torch --json {path} "
                 "makes it")
    page = os.path.join(options.docs, "performance.md")
    with open(page, encoding="utf-8") as file:
        text = fill(file.read(), run)
    with open(page, "w", encoding="utf-8") as file:
        file.write(text)
    if series(run):
        with open(os.path.join(options.docs, PLOT), "w",
                  encoding="utf-8") as file:
            file.write(plot(run))


if __name__ == "__main__":
    main()
