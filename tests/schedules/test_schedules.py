"""Every schedule against its namesake in torch, over whole runs."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.optim import lr_scheduler as peers

from clfkit.components import schedules
from clfkit.schedules import Progress, build_schedule

STEPS = 7
EPOCHS = 12
TOTAL = STEPS * EPOCHS
Make = Callable[[torch.optim.Optimizer], Any]


def factors(name: str, options: Mapping[str, Any], steps: int = STEPS, epochs: int = EPOCHS) -> list[float]:
    schedule = build_schedule(schedules.parse({"name": name, **options}))
    return [schedule(Progress(step, steps, epochs)) for step in range(steps * epochs)]


def of_torch(make: Make, total: int, every: int = 1) -> list[float]:
    """The rates of `total` steps by torch's scheduler at a base rate of 1, stepped after every `every`."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for step in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if (step + 1) % every == 0 and step + 1 < total:
            scheduler.step()
    return rates


def test_constant() -> None:
    assert factors("constant", {}) == [1.0] * TOTAL


@pytest.mark.parametrize(
    ("name", "options", "make"),
    [
        ("step", {"step_size": 5}, lambda o: peers.StepLR(o, 5)),
        ("step", {"step_size": 1, "gamma": 0.7}, lambda o: peers.StepLR(o, 1, 0.7)),
        ("step", {}, lambda o: peers.StepLR(o, 30)),
        ("multistep", {"milestones": (2, 3, 9)}, lambda o: peers.MultiStepLR(o, [2, 3, 9])),
        (
            "multistep",
            {"milestones": (9, 4, 4), "gamma": 0.5},
            lambda o: peers.MultiStepLR(o, [9, 4, 4], 0.5),
        ),
        ("multistep", {"milestones": ()}, lambda o: peers.MultiStepLR(o, [])),
        ("exponential", {}, lambda o: peers.ExponentialLR(o, 0.95)),
        ("exponential", {"gamma": 0.5}, lambda o: peers.ExponentialLR(o, 0.5)),
    ],
)
def test_schedules_by_epoch_match_torch(name: str, options: dict[str, Any], make: Make) -> None:
    assert factors(name, options) == pytest.approx(of_torch(make, TOTAL, every=STEPS), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(
    ("name", "options", "make"),
    [
        ("cosine", {}, lambda o: peers.CosineAnnealingLR(o, TOTAL)),
        ("cosine", {"floor": 0.02}, lambda o: peers.CosineAnnealingLR(o, TOTAL, eta_min=0.02)),
        ("linear", {}, lambda o: peers.LinearLR(o, 1.0, 0.0, TOTAL)),
        ("linear", {"floor": 0.1}, lambda o: peers.LinearLR(o, 1.0, 0.1, TOTAL)),
        ("one_cycle", {}, lambda o: peers.OneCycleLR(o, 1.0, total_steps=TOTAL)),
        (
            "one_cycle",
            {"pct_start": 0.25, "div_factor": 10.0, "final_div_factor": 100.0},
            lambda o: peers.OneCycleLR(o, 1.0, total_steps=TOTAL, pct_start=0.25, div_factor=10, final_div_factor=100),
        ),
        (
            "one_cycle",
            {"pct_start": 0.0},
            lambda o: peers.OneCycleLR(o, 1.0, total_steps=TOTAL, pct_start=0.0),
        ),
    ],
)
def test_schedules_by_step_match_torch(name: str, options: dict[str, Any], make: Make) -> None:
    assert factors(name, options) == pytest.approx(of_torch(make, TOTAL), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("cycles", [2, 3, 4])
def test_cosine_in_cycles_matches_torch(cycles: int) -> None:
    """The last cycle is the shorter one where they do not divide the steps."""
    cycle = -(-TOTAL // cycles)
    peer = of_torch(lambda o: peers.CosineAnnealingWarmRestarts(o, cycle, eta_min=0.1), TOTAL)
    assert factors("cosine", {"floor": 0.1, "cycles": cycles}) == pytest.approx(peer, rel=1e-12)


@pytest.mark.parametrize("total", [1, 2, 3, 4, 5])
def test_one_cycle_of_few_steps_matches_torch(total: int) -> None:
    peer = of_torch(lambda o: peers.OneCycleLR(o, 1.0, total_steps=total), total)
    assert factors("one_cycle", {}, steps=1, epochs=total) == pytest.approx(peer, rel=1e-12)


def test_one_cycle_that_peaks_in_its_first_step_starts_at_the_peak() -> None:
    assert factors("one_cycle", {"pct_start": 0.5}, steps=1, epochs=2) == pytest.approx([1.0, 1 / 25e4])


def test_the_last_step_of_one_cycle_is_its_lowest() -> None:
    cycle = factors("one_cycle", {})
    assert cycle[0] == pytest.approx(1 / 25)
    assert cycle[-1] == pytest.approx(1 / 25e4)
    assert max(cycle) <= 1.0


def plateau_of_torch(values: list[float], factor: float, patience: int, threshold: float) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = peers.ReduceLROnPlateau(
        optimizer, "max", factor, patience, threshold, threshold_mode="abs", cooldown=0, eps=0.0
    )
    rates = [1.0]
    for value in values:
        scheduler.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(-3, 3) | st.sampled_from([0.0, 0.5, float("nan"), float("-inf")]), max_size=40),
    factor=st.floats(0.05, 0.95),
    patience=st.integers(0, 4),
    threshold=st.floats(0, 0.5),
)
def test_plateau_matches_torch(values: list[float], factor: float, patience: int, threshold: float) -> None:
    options = {"name": "plateau", "factor": factor, "patience": patience, "threshold": threshold}
    schedule = build_schedule(schedules.parse(options))
    ours = [
        schedule(Progress(epoch * STEPS + step, STEPS, len(values) + 1, values[:epoch]))
        for epoch in range(len(values) + 1)
        for step in (0, STEPS - 1)
    ]
    peer = plateau_of_torch(values, factor, patience, threshold)
    assert ours == pytest.approx([rate for rate in peer for _ in range(2)], rel=1e-12)


def test_plateau_remembers_nothing_that_changes_its_answer() -> None:
    choose = random.Random(3)
    histories = [tuple(choose.choice([0.1, 0.2, 0.3]) for _ in range(length)) for length in range(30)]
    used = build_schedule(schedules.parse({"name": "plateau", "patience": 2}))
    for history in choose.choices(histories, k=200):
        fresh = build_schedule(schedules.parse({"name": "plateau", "patience": 2}))
        progress = Progress(len(history), 1, 40, history)
        assert used(progress) == fresh(progress)


def test_plateau_sees_a_history_that_was_changed_in_place() -> None:
    schedule = build_schedule(schedules.parse({"name": "plateau", "patience": 0}))
    history = [0.5, 0.5]
    assert schedule(Progress(2, 1, 9, history)) == pytest.approx(0.1)
    history[1] = 0.9
    assert schedule(Progress(2, 1, 9, history)) == 1.0


EVERY: dict[str, dict[str, Any]] = {
    "constant": {}, "step": {"step_size": 3}, "multistep": {"milestones": (2, 7)}, "exponential": {},
    "cosine": {"floor": 0.1}, "linear": {}, "one_cycle": {}, "plateau": {"patience": 1},
}  # fmt: skip


def test_every_schedule_is_tested_here() -> None:
    ours = [name for name in schedules.names() if schedules.entry(name).function.__module__.startswith("clfkit.")]
    assert ours == sorted(EVERY)


@pytest.mark.parametrize("name", EVERY)
def test_the_order_of_calls_does_not_matter(name: str) -> None:
    history = [0.3, 0.5, 0.5, 0.4, 0.5, 0.6, 0.1, 0.2, 0.3, 0.3, 0.3]
    run = [Progress(step, STEPS, EPOCHS, history[: step // STEPS]) for step in range(TOTAL)]
    component = schedules.parse({"name": name, **EVERY[name]})
    schedule = build_schedule(component)
    in_order = [schedule(progress) for progress in run]
    shuffled = random.Random(0).sample(range(TOTAL), TOTAL)
    assert [schedule(run[step]) for step in shuffled] == [in_order[step] for step in shuffled]
    assert all(build_schedule(component)(progress) == factor for progress, factor in zip(run, in_order, strict=True))
    assert all(0 <= factor <= 1 for factor in in_order)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("warmup", [0.5, 1.0, 2.5, 100.0])
def test_warmup_multiplies_by_a_straight_line(name: str, warmup: float) -> None:
    plain = factors(name, EVERY[name])
    warmed = factors(name, {**EVERY[name], "warmup": warmup})
    expected = [min(1.0, (step + 1) / (warmup * STEPS)) * factor for step, factor in enumerate(plain)]
    assert warmed == pytest.approx(expected, rel=1e-12)
    assert warmed[0] > 0


def test_warmup_reaches_the_full_rate_in_its_last_step() -> None:
    warmed = factors("constant", {"warmup": 2.0})
    assert warmed[: 2 * STEPS] == pytest.approx([(step + 1) / (2 * STEPS) for step in range(2 * STEPS)])
    assert warmed[2 * STEPS - 1 :] == [1.0] * (TOTAL - 2 * STEPS + 1)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("step", {"step_size": 0}), ("step", {"gamma": 0.0}), ("multistep", {}),
        ("multistep", {"milestones": (0,)}),
        ("exponential", {"gamma": -1.0}), ("cosine", {"floor": 1.0}), ("linear", {"floor": -0.1}),
        ("one_cycle", {"pct_start": 1.0}), ("one_cycle", {"div_factor": 0.0}), ("plateau", {"factor": 1.0}),
        ("plateau", {"factor": 0.0}), ("plateau", {"patience": -1}), ("constant", {"warmup": -1.0}),
    ],
)  # fmt: skip
def test_senseless_options_are_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        schedules.parse({"name": name, **options})
