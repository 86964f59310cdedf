"""Progress as people and logs see it."""

from __future__ import annotations

import io
import re

import pytest

from clfkit.history import EpochRecord, TrainState
from clfkit.progress import Bar, Lines, listener, summary


def record(epoch: int) -> EpochRecord:
    return EpochRecord(epoch=epoch, step=epoch, lr=0.1, train_loss=0.3, train_accuracy=0.5, seconds=0.0)


@pytest.mark.parametrize("kind", [Lines, Bar])
def test_one_line_every_so_many_epochs_and_one_at_the_end(kind: type[Lines]) -> None:
    stream = io.StringIO()
    told = kind(stream)
    told.on_start(TrainState(), 25, 25, 10)
    for epoch in range(1, 26):
        told.on_step(epoch)
        told.on_epoch_end(record(epoch), best=False)
    told.on_stop()
    assert re.findall(r"epoch +(\d+)/25  train 0\.3000 50\.00%", stream.getvalue()) == ["10", "20", "25"]


class Refusing(io.StringIO):
    """A disk that is full, or a terminal that was closed."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("quiet", [True, False])
@pytest.mark.parametrize("terminal", [True, False])
def test_a_stream_that_takes_nothing_ends_no_run(terminal: bool, quiet: bool) -> None:
    told = listener(quiet, Refusing(terminal=terminal))
    told.warn("no figure")
    told.on_start(TrainState(), 1, 1, 1)
    told.on_step(1)
    told.on_epoch_end(record(1), best=True)
    told.say("done")
    told.on_stop()


def test_every_epoch_by_default() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.on_start(TrainState(), 3, 3, 1)
    for epoch in (1, 2, 3):
        lines.on_epoch_end(record(epoch), best=epoch == 2)
    assert [line.endswith("best") for line in stream.getvalue().splitlines()] == [False, True, False]


@pytest.mark.parametrize("kind", [Lines, Bar])
def test_long_work_before_training(kind: type[Lines], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clfkit.progress.SECONDS_BETWEEN_REPORTS", 0.0)
    monkeypatch.setattr("clfkit.progress.SECONDS_BETWEEN_LINES", 0.0)
    stream = io.StringIO()
    told = kind(stream)
    for what in ("scanning", "decoding"):
        for done in range(3):
            told.on_work(what, done * 1000, 2000)
        told.on_work_end()
    text = stream.getvalue()
    assert "scanning" in text
    assert "decoding" in text
    assert "of 2,000" in text


def test_what_fails_is_told_to_those_who_want_no_progress_too() -> None:
    stream = io.StringIO()
    told = listener(quiet=True, stream=stream)
    told.say("drawing figures")
    told.on_start(TrainState(), 3, 3, 1)
    told.on_epoch_end(record(1), best=True)
    told.warn("note: no figure 'a\nb'")
    assert stream.getvalue() == "note: no figure 'a\\nb'\n"


@pytest.mark.parametrize("kind", [Lines, Bar])
@pytest.mark.parametrize("started", [False, True])
def test_what_is_said_cannot_steer_a_terminal(kind: type[Lines], started: bool) -> None:
    stream = io.StringIO()
    told = kind(stream)
    if started:
        told.on_start(TrainState(), 5, 5, 1)
    told.say("images in a\x1b[2Jb\nc\u202e – ü")
    told.on_stop()
    assert r"images in a\x1b[2Jb\nc\u202e – ü" in stream.getvalue()


@pytest.mark.parametrize(("loss", "text"), [(0.25, "0.2500"), (-12345.6, "-12345.6000"), (1.2e30, "1.2e+30")])
def test_losses_of_a_training_that_diverges_stay_short(loss: float, text: str) -> None:
    diverging = record(1).model_copy(update={"train_loss": loss, "valid_loss": loss, "valid_accuracy": 0.0})
    assert summary(diverging) == [f"train {text} 50.00%", f"valid {text} 0.00%"]


@pytest.mark.parametrize(
    ("epochs", "line"),
    [
        (20, "epoch 20/20  train 0.3000 50.00%  valid 0.4321 97.50%  lr 0.1  12.3 s  best"),
        (100, "epoch 100/100 train 0.3000 50.00% valid 0.4321 97.50% lr 0.000123 12.3 s best"),
    ],
)
def test_lines_of_epochs_fit_eighty_columns(epochs: int, line: str) -> None:
    lines = Lines(stream := io.StringIO())
    lines.on_start(TrainState(), epochs, epochs, 1)
    changes = {"valid_loss": 0.43214, "valid_accuracy": 0.975, "seconds": 12.34}
    changes |= {"lr": 0.000123} if epochs == 100 else {}
    for best in (False, True):
        lines.on_epoch_end(record(epochs).model_copy(update=changes), best=best)
    assert stream.getvalue().splitlines() == [line.removesuffix("best").rstrip(), line]  # one below the other
    assert len(line) <= 80
