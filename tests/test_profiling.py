"""A profile accounts for all of the training, changes nothing in it, and counts work as torch does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from numpy.testing import assert_array_equal

from clfkit.components import models
from clfkit.data.bundle import ClassMap, DataSpec
from clfkit.engines.pytorch.building import as_module
from clfkit.engines.pytorch.roof import flops_of_a_sample
from clfkit.profiling import Profile
from clfkit.progress import Quiet
from clfkit.run import RunDirectory


def profiled(laboratory: Any, run_id: str, **overrides: Any) -> tuple[RunDirectory, Profile]:
    from clfkit.experiment import run_experiment

    config = laboratory.config("blobs", {"plots": (), **overrides})
    run, clock = RunDirectory.create(laboratory.out, config, run_id), Profile()
    run_experiment(run, config, Quiet(), clock)
    return run, clock


@pytest.mark.parametrize("engine", ["torch", "scratch"])
def test_parts_add_up_to_the_training(laboratory: Any, engine: str) -> None:
    run, clock = profiled(laboratory, "watched", **{"engine": engine, "train.epochs": 3, "train.accumulate": 2})
    rows = {row.part: row for row in clock.rows()}
    assert list(rows) == [
        "feed", "forward", "backward", "optimizer", "rest of a step", "evaluation", "history", "checkpoint", "the loop",
    ]  # fmt: skip
    assert sum(row.seconds for row in rows.values()) == pytest.approx(clock.seconds["training"])
    assert all(row.seconds >= 0 for row in rows.values())
    steps = run.history()[-1].step
    assert rows["feed"].times == rows["optimizer"].times == rows["rest of a step"].times == steps
    assert rows["forward"].times == rows["backward"].times == 2 * steps
    assert rows["evaluation"].times == 3
    assert clock.samples == 3 * 140
    assert 0 < clock.samples_a_second() < clock.roof()


@pytest.mark.parametrize("engine", ["torch", "scratch"])
def test_a_profile_changes_no_result(laboratory: Any, engine: str) -> None:
    watched, _ = profiled(laboratory, "watched", engine=engine)
    plain = laboratory.run(laboratory.config("blobs", {"plots": (), "engine": engine}), None, "plain")
    for name, array in plain.checkpoint("last").model.items():
        assert_array_equal(watched.checkpoint("last").model[name], array)


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        ({"name": "mlp", "hidden": (7, 5)}, (3,)),
        ({"name": "mlp", "hidden": ()}, (2, 4, 4)),
        ({"name": "cnn", "channels": (4, 6), "dense": (9,)}, (3, 10, 13)),
        ({"name": "cnn", "channels": (2, 3, 4, 5), "dense": ()}, (1, 6, 6)),
    ],
    ids=str,
)
def test_multiplications_are_those_that_torch_counts(model: dict[str, Any], shape: tuple[int, ...]) -> None:
    """Forward, gradient of the weights, and gradient of the inputs except for those of the first layer."""
    spec = DataSpec(
        inputs="image" if len(shape) == 3 else "vector", shape=shape, classes=ClassMap(names=("a", "b", "c")),
        mean=(0.0,) * shape[0], std=(1.0,) * shape[0],
    )  # fmt: skip
    plan = models.build(models.parse(model), spec, 3)
    first, *others = plan.multiplications(shape)
    module = as_module(plan, 0)
    assert flops_of_a_sample(module, shape, torch.float32) == 2 * (2 * first + 3 * sum(others))
    assert all(parameter.grad is None for parameter in module.parameters())
