"""How a run shows itself while it goes: a bar on a terminal, a line an epoch elsewhere, or nothing."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

from clfkit.history import EpochRecord, TrainState
from clfkit.wording import printable

if TYPE_CHECKING:
    from clfkit.experiment import Listener


BAR_FORMAT = "{desc}  {percentage:3.0f}% |{bar:16}| {rate_fmt}, {remaining} left{postfix}"
WORK_FORMAT = "{desc}  {percentage:3.0f}% |{bar:16}| {n:,} of {total:,}, {rate_fmt}, {remaining} left"
WIDTH = 80  # columns of a terminal; where an epoch's line has more, its gaps are closed
SECONDS_BETWEEN_LINES = 0.5
SECONDS_BETWEEN_REPORTS = 5.0


class Quiet:
    """Says nothing."""

    def say(self, message: str) -> None:
        """Nothing."""

    def warn(self, message: str) -> None:
        """What failed is said as everything is."""
        self.say(message)

    def on_work(self, what: str, done: int, total: int) -> None:
        """Nothing."""

    def on_work_end(self) -> None:
        """Nothing."""

    def on_start(self, state: TrainState, steps: int, epochs: int, log_every: int) -> None:
        """Nothing."""

    def on_step(self, step: int) -> None:
        """Nothing."""

    def on_epoch_end(self, record: EpochRecord, best: bool) -> None:
        """Nothing."""

    def on_signal(self, number: int) -> None:
        """Nothing."""

    def on_stop(self) -> None:
        """Nothing."""


class Failures(Quiet):
    """Says what failed, a plain line each."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def warn(self, message: str) -> None:
        """One line."""
        print(printable(message, None), file=self.stream, flush=True)


class Lines(Quiet):
    """One plain line an epoch, or every `log_every` epochs."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.epochs = 0
        self.log_every = 1
        self.seconds = 0.0
        self._report_at: float | None = None

    def say(self, message: str) -> None:
        """One line, made printable: it may hold names of files."""
        self._write(printable(message, None))

    def _write(self, line: str) -> None:
        print(line, file=self.stream, flush=True)

    def on_work(self, what: str, done: int, total: int) -> None:
        """A line every few seconds; work that takes less than that is not spoken of."""
        now = time.monotonic()
        if self._report_at is None:
            self._report_at = now
        elif now - self._report_at >= SECONDS_BETWEEN_REPORTS:
            self.say(f"{what}: {done:,} of {total:,}")
            self._report_at = now

    def on_work_end(self) -> None:
        """The next work has its own clock."""
        self._report_at = None

    def on_start(self, state: TrainState, steps: int, epochs: int, log_every: int) -> None:
        """Remember how many epochs there will be, and how often to speak."""
        self.epochs, self.log_every = epochs, log_every

    def on_epoch_end(self, record: EpochRecord, best: bool) -> None:
        """Losses, accuracies and rate of the epoch, if it is one to speak of, and the time since the last such line."""
        self.seconds += record.seconds
        if record.epoch % self.log_every and record.epoch != self.epochs:
            return
        width = len(str(self.epochs))
        parts = [f"epoch {record.epoch:>{width}}/{self.epochs}", *summary(record), f"lr {record.lr:.3g}"]
        parts += [f"{self.seconds:.1f} s"] * (self.seconds >= 0.05)
        gap = "  " if len("  ".join([*parts, "best"])) <= WIDTH else " "  # the best line stands below others
        self.say(gap.join([*parts, *(["best"] * best)]))
        self.seconds = 0.0

    def on_signal(self, number: int) -> None:
        """Say that the wish was heard."""
        name = signal.Signals(number).name
        again = "Ctrl-C again stops at once" if number == signal.SIGINT else f"{name} was received"
        self.say(f"stopping after this step; {again}")


class Bar(Lines):
    """A progress bar over all steps with the figures of the last epoch; now and then an epoch's line above it."""

    _bar: Any = None
    _line_at = 0.0

    def _write(self, line: str) -> None:  # above the bar, if there is one
        if self._bar is None:
            super()._write(line)
        else:
            self._bar.write(line, file=self.stream)

    def on_work(self, what: str, done: int, total: int) -> None:
        """A bar of its own for this work."""
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(
                total=total, unit="", file=self.stream, dynamic_ncols=True, leave=False, desc=what, mininterval=0.1,
                delay=SECONDS_BETWEEN_LINES, bar_format=WORK_FORMAT,
            )  # fmt: skip
        self._bar.update(done - self._bar.n)

    def on_work_end(self) -> None:
        """Close its bar."""
        self.on_stop()

    def on_start(self, state: TrainState, steps: int, epochs: int, log_every: int) -> None:
        """Open the bar."""
        from tqdm import tqdm

        super().on_start(state, steps, epochs, log_every)
        self._line_at = time.monotonic()
        self._bar = tqdm(
            total=steps, initial=state.step, unit=" steps", file=self.stream, dynamic_ncols=True, leave=False,
            desc=f"epoch {min(state.epoch + 1, epochs)}/{epochs}", mininterval=0.1, smoothing=0.1,
            bar_format=BAR_FORMAT,
        )  # fmt: skip

    def on_step(self, step: int) -> None:
        """Move on by one step."""
        self._bar.update()

    def on_epoch_end(self, record: EpochRecord, best: bool) -> None:
        """Show the epoch's figures behind the bar; keep its line if the last kept one is some seconds old."""
        now = time.monotonic()
        if self.log_every > 1 or now - self._line_at > SECONDS_BETWEEN_LINES or record.epoch == self.epochs:
            super().on_epoch_end(record, best)
            self._line_at = now
        self._bar.set_description_str(f"epoch {min(record.epoch + 1, self.epochs)}/{self.epochs}", refresh=False)
        valid = "" if record.valid_accuracy is None else f" valid {record.valid_accuracy:.2%}"
        self._bar.set_postfix_str(
            f"loss {_loss(record.train_loss)} acc {record.train_accuracy:.2%}{valid}", refresh=False
        )

    def on_stop(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def summary(record: EpochRecord) -> list[str]:
    """Loss and accuracy of train and of valid, then whatever else was watched: short, for a line of a terminal."""
    parts = [f"train {_loss(record.train_loss)} {record.train_accuracy:.2%}"]
    if record.valid_loss is not None and record.valid_accuracy is not None:
        parts.append(f"valid {_loss(record.valid_loss)} {record.valid_accuracy:.2%}")
    for name, value in record.others.items():
        parts.append(f"{name.partition('.')[2]} {'–' if value is None else f'{value:.4f}'}")
    return parts


def _loss(value: float) -> str:
    """Four digits after the point; of a training that diverges, not forty before it."""
    return f"{value:.4f}" if abs(value) < 1e5 else f"{value:.3g}"


class Unfailing:
    """A stream that may refuse what it is told: its disk is full, its terminal was closed. A run goes on without it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """As many characters as were given, whatever became of them."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """What is not refused."""
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def listener(quiet: bool, stream: TextIO | None = None) -> Listener:
    """What suits the stream (standard error by default): a bar on a terminal, lines elsewhere.

    quiet: only what failed while the run goes on.
    """
    stream = cast("TextIO", Unfailing(stream or sys.stderr))
    if quiet:
        return Failures(stream)
    return Bar(stream) if stream.isatty() else Lines(stream)
