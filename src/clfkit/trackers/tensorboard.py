"""TensorBoard: the event file that it reads."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from clfkit.components import trackers
from clfkit.document import as_yaml
from clfkit.storage import changing
from clfkit.trackers import curves, ends, insist_on

if TYPE_CHECKING:
    from pathlib import Path

    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    from clfkit.history import EpochRecord
    from clfkit.run import RunDirectory


@trackers.register("tensorboard")
def tensorboard(run: RunDirectory) -> EventFile:
    """Curves, test metrics, figures and the config for TensorBoard, in an event file in the run's folder.

    `tensorboard --logdir outputs` then shows all runs, each by the name of its folder.
    """
    insist_on("tensorboard", "tensorboard")
    return EventFile(run)


class EventFile:
    """The event file of a run, begun anew when the run goes on, so that it holds what an unbroken run's would.

    Events go through the tensorboard package's record writer into a file that is opened here. So what the disk refuses
    is told here and not in some thread, and neither torch nor TensorFlow is imported, as by their own writers.
    """

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.path: Path

    def start(self, records: Sequence[EpochRecord]) -> None:
        """Begin a new file with all epochs so far. Only then is that of the session before emptied.

        It goes with the next session: a TensorBoard that is open does not get past a file that is gone.
        """
        from tensorboard.compat.proto.event_pb2 import SessionLog

        earlier, self.path = self.run.trackers.event_files(), self.run.trackers.new_event_file()
        void = SessionLog(status=SessionLog.START)  # for a TensorBoard that is open: what it has read before
        head = [event(file_version="brain.Event:2"), event(session_log=void)]
        self._append([*head, event(summary=text("config", as_yaml(self.run.config().plain()))), *_points(records)])
        for old in earlier:
            with changing(old):
                if old.stat().st_size:
                    os.truncate(old, 0)
                else:
                    old.unlink()

    def epochs(self, records: Sequence[EpochRecord]) -> None:
        """A point an epoch in every curve."""
        self._append(_points(records))

    def finish(self) -> None:
        """The test metrics and figures, once there are any."""
        if self.run.status().get("status") != "finished":
            return
        test = self.run.metrics("test") if self.run.evaluation("test") else {}
        summaries = [scalars({f"test.{name}": value for name, value in test.items()})]
        figures = [path for path in self.run.trackers.results() if path.suffix == ".png"]
        summaries += [picture(path.stem, path.read_bytes()) for path in figures]
        last = len(self.run.history())
        self._append(event(summary=summary, step=last) for summary in summaries)

    def _append(self, events: Iterable[Event]) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        with changing(self.path), self.path.open("ab") as file:
            writer = RecordWriter(file)
            for each in events:
                writer.write(each.SerializeToString())


def _points(records: Sequence[EpochRecord]) -> list[Event]:
    return [
        event(summary=scalars(curves(record)), step=record.epoch, wall_time=ended)
        for record, ended in zip(records, ends(records), strict=True)
    ]


def event(**content: object) -> Event:
    """An event that happens now, unless a time is given."""
    from tensorboard.compat.proto.event_pb2 import Event

    return Event(**{"wall_time": time.time(), **content})


def scalars(values: Mapping[str, float | None]) -> Summary:
    """A point in each of several curves; none for what is undefined."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(
        value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items() if value is not None]
    )


def picture(name: str, png: bytes) -> Summary:
    """A figure. Its width and height are the bytes 16 to 24 of the file (PNG specification, 11.2.2)."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    width, height = struct.unpack(">II", png[16:24])
    image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)  # 4: RGBA
    return Summary(value=[Summary.Value(tag=name, image=image)])


def text(name: str, content: str) -> Summary:
    """A text as it is: indented, which is how Markdown, which TensorBoard takes it for, sets programs."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.text.metadata import create_summary_metadata

    indented = "".join(f"    {line}\n" for line in content.splitlines())
    tensor = TensorProto(dtype=DT_STRING, string_val=[indented.encode()])
    metadata = create_summary_metadata(display_name=name, description="")
    return Summary(value=[Summary.Value(tag=name, metadata=metadata, tensor=tensor)])
