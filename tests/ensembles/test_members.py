"""Which models are joined, and what is said of those that are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clfkit.ensembles.joining import join_probabilities
from clfkit.ensembles.members import find_members, unlike_split
from clfkit.errors import ClassMismatch, UsageError

FIXED = {"data.seed": 5, "train.epochs": 1}


def trained(laboratory: Any, base: str = "blobs", **changes: Any) -> str:
    return str(laboratory.run(laboratory.config(base, {**FIXED, **changes})).path)


def test_other_seeds_of_the_data_are_refused_with_the_way_to_mend_it(laboratory: Any) -> None:
    runs = [trained(laboratory, **{"seed": seed, "data.seed": None}) for seed in (1, 2)]
    with pytest.raises(UsageError) as refused:
        join_probabilities(find_members(runs, Path()), laboratory.out, None, None)
    text = str(refused.value)
    assert "test samples of one may be train samples of the other" in text
    assert "seed of the data: 1 → 2" in text and "--set data.seed" in text and "--force" in text
    assert not (laboratory.out / "tiny-ensemble").exists()


def test_other_options_of_the_data_are_named(laboratory: Any) -> None:
    runs = [trained(laboratory), trained(laboratory, **{"data.std": 4.0})]
    reason = unlike_split(find_members(runs, Path()))
    assert reason is not None and "data.std: 3.0 → 4.0" in reason


def test_forced_ones_are_joined_without_a_score_and_claim_no_data(laboratory: Any) -> None:
    runs = [trained(laboratory, **{"data.seed": seed}) for seed in (1, 2)]
    joined = join_probabilities(find_members(runs, Path()), laboratory.out, None, None, force=True)
    assert joined.scores == {} and joined.warning is not None
    assert joined.run.evaluation("test") is None
    assert joined.run.checkpoint("best").fingerprint == ""


def test_models_of_other_samples_are_refused(laboratory: Any) -> None:
    with pytest.raises(UsageError, match="other samples"):
        find_members([trained(laboratory), trained(laboratory, "digits")], Path())
    with pytest.raises(ClassMismatch, match=r"extra: '2'|missing: '2'"):
        find_members([trained(laboratory), trained(laboratory, "moons")], Path())


def test_the_same_run_twice_is_refused(laboratory: Any) -> None:
    run = trained(laboratory)
    with pytest.raises(UsageError, match="twice"):
        find_members([run, run], Path())


@pytest.mark.parametrize(("snapshots", "held"), [(None, "no snapshots"), ({"last": 1}, "1 snapshot")])
def test_one_run_without_snapshots_is_refused(laboratory: Any, snapshots: Any, held: str) -> None:
    with pytest.raises(UsageError, match=rf"it has {held}\. Train it with train\.snapshots"):
        find_members([trained(laboratory, **{"train.snapshots": snapshots})], Path())
