"""Progress as people and logs see it."""

from __future__ import annotations

import io
import re

import pytest

from clfkit.history import EpochRecord, TrainState
from clfkit.progress import Bar, Lines, summary


def record(epoch: int) -> EpochRecord:
    return EpochRecord(epoch=epoch, step=epoch, lr=0.1, train_loss=0.3, train_accuracy=0.5, seconds=0.0)


@pytest.mark.parametrize("kind", [Lines, Bar])
def test_one_line_every_so_many_epochs_and_one_at_the_end(kind: type[Lines]) -> None:
    stream = io.StringIO()
    listener = kind(stream)
    listener.on_start(TrainState(), 25, 25, 10)
    for epoch in range(1, 26):
        listener.on_step(epoch)
        listener.on_epoch_end(record(epoch), best=False)
    listener.on_stop()
    assert re.findall(r"epoch +(\d+)/25  train loss", stream.getvalue()) == ["10", "20", "25"]


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
    listener = kind(stream)
    for what in ("scanning", "decoding"):
        for done in range(3):
            listener.on_work(what, done * 1000, 2000)
        listener.on_work_end()
    text = stream.getvalue()
    assert "scanning" in text
    assert "decoding" in text
    assert "of 2,000" in text


@pytest.mark.parametrize("kind", [Lines, Bar])
@pytest.mark.parametrize("started", [False, True])
def test_what_is_said_cannot_steer_a_terminal(kind: type[Lines], started: bool) -> None:
    stream = io.StringIO()
    listener = kind(stream)
    if started:
        listener.on_start(TrainState(), 5, 5, 1)
    listener.say("images in a\x1b[2Jb\nc\u202e – ü")
    listener.on_stop()
    assert r"images in a\x1b[2Jb\nc\u202e – ü" in stream.getvalue()


@pytest.mark.parametrize(("loss", "text"), [(0.25, "0.2500"), (-12345.6, "-12345.6000"), (1.2e30, "1.2e+30")])
def test_losses_of_a_training_that_diverges_stay_short(loss: float, text: str) -> None:
    diverging = record(1).model_copy(update={"train_loss": loss, "valid_loss": loss, "valid_accuracy": 0.0})
    assert summary(diverging) == f"train loss {text} acc 50.00%  valid loss {text} acc 0.00%"
