"""A plan's counts are those of the run that it plans; its parts add up; nothing is kept."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from clfkit.engines.pytorch.footprint import Activations, out_of_memory
from clfkit.planning import Plan, make_plan


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of a second of steps is enough to count them."""
    monkeypatch.setattr("clfkit.planning.SECONDS", 0.1)


def plan(laboratory: Any, base: str = "blobs", **changes: Any) -> Plan:
    return make_plan(laboratory.config(base, changes))


@pytest.mark.parametrize(("base", "engine"), [("blobs", "torch"), ("blobs", "scratch"), ("digits", "torch")])
def test_counts_are_those_of_the_run(laboratory: Any, base: str, engine: str) -> None:
    config = laboratory.config(base, {"engine": engine, "train.epochs": 2})
    made = make_plan(config)
    assert not laboratory.out.exists()
    run = laboratory.run(config)
    last = run.checkpoint("last")
    first, second = run.history()
    assert (made.steps, made.all_steps, made.epochs) == (first.step, second.step, 2)
    assert made.classes == len(last.spec.classes)
    assert made.samples["train"] == sum(last.class_counts)
    weights = {name: array for name, array in last.model.items() if array.dtype.kind == "f" and "running" not in name}
    assert made.learnable == made.footprint.numbers == sum(array.size for array in weights.values())
    assert made.footprint.gradients == 4 * made.learnable
    assert made.footprint.optimizer == pytest.approx(8 * made.learnable, abs=4 * len(weights))  # Adam's two moments
    best = sum(array.nbytes for array in run.checkpoint("best").model.values())
    models = 2 if base == "blobs" else 1  # and the initial one
    assert made.disk == 3 * (last.size - (0 if last.is_best else best) + best) + models * best


def test_seconds_and_shares_are_consistent(laboratory: Any) -> None:
    made = plan(laboratory, "digits", **{"train.epochs": 50})
    assert sum(made.phases.values()) == pytest.approx(1)
    assert 0 < made.step < made.epoch
    assert made.total >= made.start + 50 * made.epoch
    assert made.footprint.samples == made.samples["train"] * 64  # bytes: digits are 8×8 pixels


def test_max_steps_and_accumulate_are_followed(laboratory: Any) -> None:
    whole, pieces = plan(laboratory), plan(laboratory, **{"train.accumulate": 4, "train.max_steps": 7})
    assert (pieces.all_steps, pieces.epochs) == (7, 2)
    assert pieces.footprint.activations < whole.footprint.activations


def test_decoded_images_on_the_disk_count(laboratory: Any) -> None:
    folder, kept = laboratory.folder / "photos", laboratory.folder / "kept"
    for number in range(20):
        file = folder / f"{number % 2}/{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 20), (10 * number, 0, 0)).save(file)
    data = {"name": "image_folder", "root": str(folder), "size": [8, 9], "cache": str(kept)}
    made = plan(laboratory, "digits", data=data)
    assert made.cache == 20 * 3 * 8 * 9 == max(path.stat().st_size for path in kept.glob("*/*"))
    assert plan(laboratory, "digits", data={**data, "cache": "off"}).cache == 0
    assert plan(laboratory, "digits", data={**data, "cache_limit": 1e-6}).cache == 0
    assert plan(laboratory, "digits").cache == 0


def test_an_average_counts(laboratory: Any) -> None:
    plain, averaged = plan(laboratory), plan(laboratory, **{"train.ema": 0.9})
    assert averaged.footprint.optimizer == plain.footprint.optimizer + plain.footprint.weights


def test_one_step_an_epoch_and_no_valid_split(laboratory: Any) -> None:
    made = plan(laboratory, **{"train.batch_size": "full", "data.split": {"valid": 0.0, "test": 0.2}})
    assert made.steps == 1
    assert made.batch_size == made.samples["train"] == 160
    assert made.validation == 0
    assert made.step > 0


def test_what_is_kept_for_backward_is_what_a_network_keeps() -> None:
    """A ReLU keeps its outputs, which the layer behind it keeps too: they count once; so do inputs, not weights."""
    network = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
    with Activations(network) as activations:
        network(torch.zeros(10, 5)).sum().backward()
    assert activations.peak == 4 * (10 * 5 + 10 * 7)


def test_running_out_of_memory_is_a_memory_error_and_lets_go() -> None:
    """Of what the failed step had made nothing stays, though the error is still looked at."""
    made = []

    class Large:
        pass

    def step() -> None:
        import weakref

        large = Large()
        made.append(weakref.ref(large))
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    with pytest.raises(MemoryError, match=r"^CUDA out of memory"), out_of_memory():
        step()
    assert made[0]() is None
    with pytest.raises(MemoryError, match=r"memory.*tried to allocate"), out_of_memory():
        torch.empty(10**15)
    with pytest.raises(RuntimeError, match="something else"), out_of_memory():
        raise RuntimeError("something else")


def test_a_run_without_memory_fails_with_advice(laboratory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from clfkit.engines.pytorch.engine import TorchEngine
    from clfkit.errors import TrainingError

    def exhausted(*arguments: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(TorchEngine, "_forward", exhausted)
    with pytest.raises(TrainingError, match=r"out of memory.*train\.batch_size"):
        laboratory.run(run_id="large")
    from clfkit.run import RunDirectory

    assert RunDirectory(laboratory.out / "tiny/large").status()["status"] == "failed"
