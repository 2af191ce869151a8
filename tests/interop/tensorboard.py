"""Event files, through TensorBoard's own reader: those of
tests/interop/events.cpp, and those of a training run.

    python -P tensorboard.py EVENTS_FOLDER RUN_FOLDER

-P, so that `import tensorboard` finds the package and not this file.
"""

import csv
import io
import math
import pathlib
import sys

import numpy as np
import tensorboard
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator)


def load(folder):
    accumulator = EventAccumulator(folder, size_guidance={
        "scalars": 0, "histograms": 0, "images": 0, "tensors": 0})
    accumulator.Reload()
    return accumulator


def picture(accumulator, tag):
    (entry,) = accumulator.Images(tag)
    image = Image.open(io.BytesIO(entry.encoded_image_string))
    assert image.size == (entry.width, entry.height)
    return entry, np.asarray(image)


def known_values(folder):
    a = load(folder)
    curve = a.Scalars("curve/squares")
    assert [e.step for e in curve] == list(range(100))
    assert [e.value for e in curve] == [0.25 * s * s for s in range(100)]
    assert math.isnan(a.Scalars("curve/nan")[0].value)
    assert a.Scalars("curve/inf")[0].value == math.inf

    (entry,) = a.Histograms("histogram/ramp")
    ramp = entry.histogram_value
    values = np.arange(1000.0)
    counts, edges = np.histogram(values, 30)
    assert entry.step == 3 and ramp.num == 1000
    assert (ramp.min, ramp.max) == (0, 999)
    assert ramp.sum == values.sum() and ramp.sum_squares == (values**2).sum()
    np.testing.assert_allclose(ramp.bucket_limit, edges[1:], rtol=1e-12)
    # NumPy's buckets have their lower end, ours the upper: 0 and 999 lie on
    # edges, and the ones between, 33.3 k, on whole numbers for every third k.
    assert sum(ramp.bucket) == 1000
    assert np.abs(np.array(ramp.bucket) - counts).max() <= 1
    (entry,) = a.Histograms("histogram/constant")
    assert list(entry.histogram_value.bucket_limit) == [0.5]
    assert list(entry.histogram_value.bucket) == [10]
    (entry,) = a.Histograms("histogram/empty")
    assert entry.histogram_value.num == 0
    assert len(entry.histogram_value.bucket) == 0

    entry, pixels = picture(a, "image/colours")
    assert entry.step == 4 and pixels.shape == (26, 40, 3)
    assert (pixels[:, :20] == [255, 0, 0]).all()
    assert (pixels[:, 20:, 1] == 10 * np.arange(26)[:, None]).all()
    print("known values: 102 points, 3 histograms and a picture read back")


def run(folder):
    a = load(folder)
    rows = list(csv.DictReader(open(pathlib.Path(folder) / "metrics.csv")))
    points = 0
    for tag, kind, column in [
            ("train/loss", "step", "loss"),
            ("train/accuracy", "step", "accuracy"),
            ("learning_rate", "step", "learning_rate"),
            ("damping", "step", "damping"),
            ("refreshes", "step", "refreshes"),
            ("validation/loss", "epoch", "validation_loss"),
            ("validation/accuracy", "epoch", "validation_accuracy")]:
        expected = [(int(r["step"]), np.float32(r[column]))
                    for r in rows if r["kind"] == kind]
        got = [(e.step, np.float32(e.value)) for e in a.Scalars(tag)]
        assert expected and got == expected, (tag, got, expected)
        points += len(got)
    epochs = sum(r["kind"] == "epoch" for r in rows)
    tags = a.Tags()
    assert "curvature/damping_a" in tags["scalars"], tags
    assert any(t.startswith("curvature_condition_a/") for t in tags["scalars"])
    assert len(a.Scalars("test/accuracy")) == 1
    assert tags["histograms"], tags
    for tag in tags["histograms"]:
        assert tag.startswith("weights/")
        assert len(a.Histograms(tag)) == epochs
    assert tags["images"] == ["filters/conv1.weight"]
    assert len(a.Images("filters/conv1.weight")) == epochs
    print(f"a run: {points} points equal to metrics.csv, "
          f"{len(tags['histograms'])} histograms and a picture in each of "
          f"{epochs} epochs")


print(f"tensorboard {tensorboard.__version__}, numpy {np.__version__}")
known_values(sys.argv[1])
run(sys.argv[2])
