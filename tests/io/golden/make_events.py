"""Writes run.tfevents with TensorBoard's own messages and record writer.

    python3 -m venv venv && venv/bin/pip install tensorboard
    venv/bin/python tests/io/golden/make_events.py
"""

import io
import math
import pathlib

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary
from tensorboard.summary.writer.record_writer import RecordWriter


def value(**fields):
    return Summary(value=[Summary.Value(**fields)])


events = [
    Event(wall_time=1500000000.25, file_version="brain.Event:2"),
    Event(wall_time=1500000001.25, step=7,
          session_log=SessionLog(status=SessionLog.START)),
    Event(wall_time=1500000002.25, step=7,
          summary=value(tag="train/loss", simple_value=0.1)),
    Event(wall_time=1500000003.25,
          summary=value(tag="train/loss", simple_value=0.0)),
    Event(wall_time=1500000004.25, step=300,
          summary=value(tag="train/loss", simple_value=math.nan)),
    Event(wall_time=1500000005.25, step=2**40,
          summary=value(tag="train/loss", simple_value=-math.inf)),
    # Of -2, 0, 1, 2 and 2, in four buckets.
    Event(wall_time=1500000006.25, step=8,
          summary=value(tag="weights", histo=HistogramProto(
              min=-2, max=2, num=5, sum=3, sum_squares=13,
              bucket_limit=[-1, 0, 1, 2], bucket=[1, 1, 1, 2]))),
    # Of nothing.
    Event(wall_time=1500000007.25, step=8,
          summary=value(tag="weights", histo=HistogramProto())),
    Event(wall_time=1500000008.25, step=8,
          summary=value(tag="filters", image=Summary.Image(
              height=2, width=3, colorspace=1,
              encoded_image_string=b"\x89PNG\x00\xff"))),
]

file = io.BytesIO()
writer = RecordWriter(file)
for event in events:
    writer.write(event.SerializeToString(deterministic=True))
path = pathlib.Path(__file__).with_name("run.tfevents")
path.write_bytes(file.getvalue())
