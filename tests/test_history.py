"""Records, state and the watch over a metric."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clfkit.components import metrics
from clfkit.history import EpochRecord, HistoryFiles, TrainState, Watch, as_lines, oriented, read_records


def record(epoch: int = 1, **values: float | None) -> EpochRecord:
    return EpochRecord(
        **{"epoch": epoch, "step": epoch, "lr": 0.1, "train_loss": 1.0, "train_accuracy": 0.5, "seconds": 0.0, **values}  # type: ignore[arg-type]
    )


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3))
def test_records_survive_the_file_bit_for_bit(values: list[float]) -> None:
    records = (record(1, train_loss=values[0], valid_loss=values[1], lr=values[2]), record(2))
    assert read_records(as_lines(records).decode().splitlines()) == records


def test_lines_have_the_names_of_the_documentation() -> None:
    keys = {"epoch", "step", "lr", "train.loss", "train.accuracy", "valid.loss", "valid.accuracy", "seconds"}
    assert json.loads(record().line()).keys() == keys
    assert json.loads(record(valid_loss=math.nan).line())["valid.loss"] is None


@pytest.mark.parametrize("line", ["{", "{}", "[1]", '{"epoch": 1}', record().line()[:-1], record().line() + "x"])
def test_lines_that_are_none_are_refused(line: str) -> None:
    with pytest.raises(ValueError):
        read_records([line])


def test_blank_lines_are_passed_over() -> None:
    assert read_records(["", record().line(), "  "]) == (record(),)


def test_values_are_found_by_metric() -> None:
    assert record(valid_loss=0.25).value("valid.loss") == 0.25
    assert record().value("valid.accuracy") is None


def test_oriented_prefers_small_losses_and_large_accuracies() -> None:
    assert oriented("valid.loss", 0.1) > oriented("valid.loss", 0.2)
    assert oriented("valid.accuracy", 0.2) > oriented("valid.accuracy", 0.1)
    assert oriented("valid.loss", math.nan) == oriented("valid.loss", None) == -math.inf
    assert oriented("valid.loss", math.inf) == -math.inf


def watched(values: list[float | None], metric: str = "valid.loss", delta: float = 0.0) -> tuple[list[bool], Watch]:
    watch = Watch(metric, delta)
    name = metric.replace(".", "_")
    return [watch.see(record(epoch, **{name: value})) for epoch, value in enumerate(values, 1)], watch


def test_watch_counts_epochs_since_the_best() -> None:
    improved, watch = watched([1.0, 0.5, 0.5, 0.6, 0.4, 0.7])
    assert improved == [True, True, False, False, True, False]
    assert watch.since == 1
    assert watch.values == [-1.0, -0.5, -0.5, -0.6, -0.4, -0.7]


def test_small_changes_do_not_count_and_do_not_move_the_mark() -> None:
    improved, watch = watched([1.0, 0.95, 0.91, 0.89], delta=0.1)
    assert improved == [True, False, False, True]
    assert watch.best == -0.89


def test_nan_never_improves_but_the_first_epoch_always_does() -> None:
    improved, watch = watched([math.nan, math.nan, 3.0, math.nan])
    assert improved == [True, False, True, False]
    assert watch.since == 1


def test_state_refuses_what_cannot_be() -> None:
    for broken in ({"epoch": -1}, {"position": "x"}, {"more": 1}):
        with pytest.raises(ValueError):
            TrainState.model_validate(broken)
    state = TrainState(epoch=3, step=17, position=2, best_epoch=1, best_value=0.1 + 0.2, seconds=1.25)
    assert TrainState.model_validate_json(state.model_dump_json()) == state


def test_other_watched_metrics_stand_beside_loss_and_accuracy() -> None:
    one = record(1, **{"valid.macro_f1": 0.1 + 0.2, "valid.tail_accuracy": None})
    assert json.loads(one.line())["valid.macro_f1"] == 0.1 + 0.2
    assert read_records([one.line()]) == (one,)
    assert one.value("valid.macro_f1") == 0.1 + 0.2
    assert one.value("valid.tail_accuracy") is None
    assert record().value("valid.macro_f1") is None
    assert record() != one


@pytest.mark.parametrize("entry", ['"train.macro_f1": 0.5', '"more": 1', '"valid.macro_f1": "high"', '"valid.": 1'])
def test_other_entries_are_refused(entry: str) -> None:
    with pytest.raises(ValueError):
        read_records([record().line()[:-1] + f", {entry}}}"])


def test_every_metric_knows_its_direction() -> None:
    for name in metrics.names():
        lower = name in ("loss", "log_loss", "brier", "ece")
        better, worse = (0.1, 0.9) if lower else (0.9, 0.1)
        assert oriented(f"valid.{name}", better) > oriented(f"valid.{name}", worse), name


@pytest.fixture
def files(tmp_path: Path) -> HistoryFiles:
    """Nothing written yet."""
    return HistoryFiles(tmp_path / "history.jsonl", tmp_path / "metrics.csv")


def test_table_has_a_header_and_the_values_of_the_history_to_the_last_digit(files: HistoryFiles) -> None:
    one, two = record(1, **{"valid.macro_f1": 0.1 + 0.2}), record(2, valid_loss=math.nan, **{"valid.macro_f1": None})
    files.append([one])
    files.append([two])
    with files.table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(json.loads(one.line()))
    for row, each in zip(rows, (one, two), strict=True):
        assert {name: float(cell) if cell else None for name, cell in row.items()} == json.loads(each.line())


def test_table_that_is_written_at_once_equals_one_that_grew(files: HistoryFiles) -> None:
    records = [record(epoch) for epoch in range(1, 6)]
    for each in records:
        files.append([each])
    grown = files.table.read_bytes()
    files.replace(records)
    assert files.table.read_bytes() == grown
    assert files.read() == tuple(records)


@pytest.mark.parametrize("left", [None, b"", b"epoch,st"], ids=["no file", "an empty one", "half a header"])
def test_table_that_lacks_columns_is_begun_anew(files: HistoryFiles, left: bytes | None) -> None:
    """As an older version leaves it, a full disk, or a run that is continued with another metric to watch."""
    files.append([record(1)])
    if left is None:
        files.table.unlink()
    else:
        files.table.write_bytes(left)
    files.append([record(2, **{"valid.macro_f1": 0.5})])
    with files.table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["valid.macro_f1"]) for row in rows] == [("1", ""), ("2", "0.5")]


def test_table_of_no_epochs_is_empty(files: HistoryFiles) -> None:
    files.replace([])
    assert files.table.read_bytes() == b""
