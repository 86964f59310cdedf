"""`batch_size: auto` is chosen by a rule that is told, once; from then on a run is like any other."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from numpy.testing import assert_array_equal

from clfkit import batch_size
from clfkit.batch_size import choose_batch_size, sizes
from clfkit.config import ExperimentConfig
from clfkit.errors import Interrupted, TrainingError, UsageError
from clfkit.experiment import resume_run
from clfkit.preparation import read_data
from clfkit.progress import Quiet
from clfkit.run import RunDirectory

AUTO = {"train.batch_size": "auto"}
MANY = {**AUTO, "data.samples": 8000}

Measure = Callable[[int], tuple[float, bool]]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Measure], list[int]]:
    """A machine of given speed and memory: (size → samples a second, room), and the sizes that it was asked for."""

    def install(speed: Measure) -> list[int]:
        asked: list[int] = []

        def measure(config: ExperimentConfig, bundle: Any) -> tuple[float, bool]:
            assert isinstance(config.train.batch_size, int)
            asked.append(config.train.batch_size)
            return speed(config.train.batch_size)

        monkeypatch.setattr(batch_size, "_measure", measure)
        return asked

    return install


def choose(laboratory: Any, **changes: Any) -> batch_size.Choice:
    config = laboratory.config("blobs", {**MANY, **changes})
    return choose_batch_size(config, read_data(config))


def test_sizes_leave_an_epoch_its_steps() -> None:
    assert list(sizes(5600)) == [16, 32, 64, 128, 256]
    assert list(sizes(5600, accumulate=50)) == [64, 128, 256]
    assert list(sizes(140)) == [16]
    assert list(sizes(5)) == [5]


def test_smallest_of_the_fast_ones_is_taken_and_trials_end_where_nothing_is_gained(
    laboratory: Any, machine: Callable[[Measure], list[int]]
) -> None:
    asked = machine(lambda size: (1000.0 * min(size, 60), True))
    choice = choose(laboratory)
    assert choice.size == 64
    assert asked == [16, 32, 64, 128, 256]
    assert str(choice).startswith("64 (auto; samples a second at 16: 16,000, 32: 32,000, 64: 60,000, 128: 60,000")


def test_while_throughput_grows_the_largest_is_taken(laboratory: Any, machine: Any) -> None:
    machine(lambda size: (1000.0 * size, True))
    choice = choose(laboratory)
    assert choice.size == 256  # 5,600 train samples
    assert choice.end == "larger ones leave fewer than 20 steps an epoch"


def test_what_does_not_fit_is_not_taken(laboratory: Any, machine: Any) -> None:
    def small_memory(size: int) -> tuple[float, bool]:
        if size > 64:
            raise MemoryError("CUDA out of memory")
        return 1000.0 * size, True

    machine(small_memory)
    choice = choose(laboratory)
    assert (choice.size, choice.end) == (64, "128 does not fit into memory")
    machine(lambda size: (1000.0 * size, size <= 32))
    choice = choose(laboratory)
    assert (choice.size, choice.end) == (32, "64 leaves no room in memory")
    machine(lambda size: (size / 6.0, True))
    assert choose(laboratory).end == "a step takes 6 s"


def test_nothing_fits_at_all(laboratory: Any, machine: Any) -> None:
    def no_memory(size: int) -> tuple[float, bool]:
        raise MemoryError("CUDA out of memory")

    machine(no_memory)
    config = laboratory.config("blobs", MANY)
    with pytest.raises(TrainingError, match=r"out of memory.*train\.accumulate"):
        batch_size.prepared(config, read_data(config))


def test_a_size_that_a_model_refuses_is_left_out(laboratory: Any, machine: Any) -> None:
    def refusing(size: int) -> tuple[float, bool]:
        if size == 16:
            raise UsageError("one sample by itself")
        return 1000.0 * size, True

    machine(refusing)
    assert list(choose(laboratory).throughput) == [32, 64, 128, 256]


def test_running_out_of_memory_in_a_real_step_lets_go(laboratory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engines of the sizes that were tried are gone when the choice is made."""
    from clfkit.engines.pytorch.engine import TorchEngine

    forward, engines = TorchEngine._forward, []

    def limited(self: Any, inputs: torch.Tensor, targets: Any) -> Any:
        engines.append(weakref.ref(self))
        if len(inputs) > 32:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(self, inputs, targets)

    monkeypatch.setattr(TorchEngine, "_forward", limited)
    monkeypatch.setattr(batch_size, "SECONDS", 0.02)
    choice = choose(laboratory)
    assert list(choice.throughput) == [16, 32]
    assert choice.end == "64 does not fit into memory"
    assert engines
    assert all(engine() is None for engine in engines)


@pytest.mark.parametrize("engine", ["torch", "scratch"])
def test_a_run_is_that_of_the_number_it_chose(
    laboratory: Any, machine: Callable[[Measure], list[int]], engine: str
) -> None:
    machine(lambda size: (1000.0 * min(size, 32), True))
    changes = {**MANY, "engine": engine, "train.epochs": 1}
    config = laboratory.config("blobs", changes)
    run = laboratory.run(config, run_id="auto")
    assert run.config().train.batch_size == 32
    plain = laboratory.run(laboratory.config("blobs", {**changes, "train.batch_size": 32}), run_id="plain")
    for name, array in plain.checkpoint("last").model.items():
        assert_array_equal(run.checkpoint("last").model[name], array)
    environment = run.environment()
    assert environment is not None
    assert environment["decisions"]["batch_size"].startswith("32 (auto; samples a second at 16: ")


def test_measuring_for_real_changes_no_result(laboratory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_size, "SECONDS", 0.02)
    run = laboratory.run(laboratory.config("blobs", AUTO), run_id="auto")  # 140 train samples: 16, whatever it takes
    assert run.config().train.batch_size == 16
    plain = laboratory.run(laboratory.config("blobs", {"train.batch_size": 16}), run_id="plain")
    for name, array in plain.checkpoint("last").model.items():
        assert_array_equal(run.checkpoint("last").model[name], array)


class _Stop(Quiet):
    """Presses Ctrl-C after some steps."""

    def on_step(self, step: int) -> None:
        import os
        import signal

        if step == 7:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("given", [True, False])
def test_resuming_never_measures_again(
    laboratory: Any, machine: Callable[[Measure], list[int]], monkeypatch: pytest.MonkeyPatch, given: bool
) -> None:
    """With the file that says auto, or without."""
    machine(lambda size: (1000.0 * min(size, 32), True))
    config = laboratory.config("blobs", {**MANY, "train.epochs": 1})
    whole = laboratory.run(config, run_id="whole")
    with pytest.raises(Interrupted):
        laboratory.run(config, _Stop(), "stopped")
    asked = machine(lambda size: (1000.0, True))
    run = RunDirectory(laboratory.out / "tiny/stopped")
    resume_run(run, Quiet(), config if given else None)
    assert asked == []
    assert run.config().train.batch_size == 32
    for name, array in whole.checkpoint("last").model.items():
        assert_array_equal(run.checkpoint("last").model[name], array)
