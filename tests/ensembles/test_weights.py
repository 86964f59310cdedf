"""Averaged weights: what they are, whom they suit, and the statistics that go with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import clfkit
from clfkit.classifier import prediction_setup
from clfkit.data.loading import load_bundle
from clfkit.ensembles.joining import Joined, join_probabilities, join_weights
from clfkit.ensembles.members import find_members
from clfkit.ensembles.weights import mean_of
from clfkit.errors import ConfigError, UsageError
from clfkit.run import RunDirectory

FIXED = {"data.seed": 5, "train.epochs": 2}
SETTLED = {
    "train.epochs": 15, "model.dropout": 0.0, "data.std": 1.0, "data.samples": 400, "data.split.valid": 0.4,
}  # fmt: skip
"""Trained to its end, with 160 samples to choose on."""


def trained(laboratory: Any, base: str = "blobs", **changes: Any) -> RunDirectory:
    run: RunDirectory = laboratory.run(laboratory.config(base, {**FIXED, **changes}))
    return run


def join(laboratory: Any, *runs: object, name: str | None = None) -> Joined:
    return join_weights(find_members([str(run) for run in runs], Path()), laboratory.out, name, None)


@pytest.mark.parametrize("engine", ["torch", "scratch"])
def test_the_average_of_snapshots_is_the_mean_of_their_weights(laboratory: Any, engine: str) -> None:
    run = trained(laboratory, **{"train.snapshots": {}, "train.epochs": 3, "engine": engine})
    snapshots = [clfkit.load(path).checkpoint.model for path in run.snapshots.by_epoch().values()]
    joined = join(laboratory, run.path)
    averaged = joined.run.checkpoint("best")
    for name in snapshots[0]:
        assert_allclose(averaged.model[name], np.mean([each[name] for each in snapshots], axis=0), atol=1e-7)
    whole = clfkit.load(joined.run.path)
    assert whole.config.model.name == "mlp" and whole.config.name == "tiny-average"
    assert joined.scores["test"]["accuracy"] == joined.run.metrics("test")["accuracy"]
    assert len(joined.members) == 3 and joined.left_out == ()


def test_the_average_of_equal_snapshots_is_the_model(laboratory: Any) -> None:
    run = trained(laboratory)
    for epoch in (1, 2):
        run.snapshots.write(epoch, run.checkpoint("best"))
    averaged = join(laboratory, run.path).run.checkpoint("best").model
    for name, array in run.checkpoint("best").model.items():
        assert_array_equal(averaged[name], array)


def test_counters_are_not_averaged() -> None:
    models = [{"w": np.array([n], np.float32), "seen": np.array(n)} for n in (1, 4)]
    assert mean_of(models) == {"w": np.array([2.5], np.float32), "seen": np.array(4)}


@pytest.mark.parametrize("engine", ["torch", "scratch"])
def test_statistics_of_batch_norm_are_measured_anew(laboratory: Any, engine: str) -> None:
    """Against torch's own way of doing it, on a network without dropout."""
    changes = {"model.dropout": 0.0, "model.norm": "batch", "train.batch_size": 28, "engine": engine}
    run = trained(laboratory, **{**changes, "train.snapshots": {}, "train.epochs": 3})
    whole = clfkit.load(join(laboratory, run.path).run.path)
    assert whole.engine is not None
    from clfkit.data.batches import Batches
    from clfkit.engines.pytorch.engine import TorchEngine
    from clfkit.engines.pytorch.feed import Normalizer

    engine_of_peer = TorchEngine(prediction_setup(whole.config, whole.spec, whole.checkpoint.class_counts))
    engine_of_peer.load_state(whole.checkpoint.model)
    train = np.asarray(whole.bundle.train.inputs)
    normalize = Normalizer(whole.spec, torch.device("cpu"))
    batches = [normalize(torch.from_numpy(train[at])) for _, at in Batches.of(len(train), 28, 7).epoch(0)]
    torch.optim.swa_utils.update_bn(batches, engine_of_peer.model)
    expected = {name: value.numpy() for name, value in engine_of_peer.model.state_dict().items()}
    found = {name: array for name, array in whole.checkpoint.model.items() if "running" in name}
    assert found
    for name, array in found.items():
        assert_allclose(array, expected[name], rtol=1e-4, atol=1e-5)


def test_frozen_statistics_stay_as_they_are(laboratory: Any) -> None:
    model = {"name": "custom_head", "backbone": {"name": "conv", "channels": [4]}, "freeze": True}
    run = trained(laboratory, "digits", model=model, **{"train.snapshots": {}})
    before = run.checkpoint("last").model
    after = join(laboratory, run.path).run.checkpoint("best").model
    for name in before:
        if name.startswith("backbone."):
            assert_array_equal(after[name], before[name])


def test_runs_from_different_starts_are_refused(laboratory: Any) -> None:
    """Hidden units stand in another order in each, so that the mean of two good networks is a bad one."""
    runs = [trained(laboratory, **{**SETTLED, "seed": seed}).path for seed in (1, 2)]
    with pytest.raises(UsageError, match=r"falls when the weights .* cannot be averaged so"):
        join(laboratory, *runs)


def test_runs_from_one_start_join_where_valid_does_not_fall(laboratory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two trainings of one seed that differ a little; a third from elsewhere is left out."""
    near = [trained(laboratory, **{**SETTLED, "train.optimizer.lr": lr}).path for lr in (0.01, 0.011)]
    far = trained(laboratory, **{**SETTLED, "seed": 2}).path
    read: list[object] = []
    monkeypatch.setattr("clfkit.classifier.load_bundle", lambda *given: read.append(given) or load_bundle(*given))
    joined = join(laboratory, *near, far)
    assert len(read) == 1, "the data are read once, not once a member"
    assert joined.left_out == (str(far),)
    best = max(scores["valid"]["accuracy"] for scores in joined.members.values())
    assert joined.scores["valid"]["accuracy"] >= best


def test_other_architectures_and_splits_are_refused(laboratory: Any) -> None:
    runs = [trained(laboratory).path, trained(laboratory, **{"model.hidden": [9]}).path]
    with pytest.raises(UsageError, match="differ in their model"):
        join(laboratory, *runs)
    with pytest.raises(UsageError, match=r"--set data\.seed"):
        join(laboratory, runs[0], trained(laboratory, **{"data.seed": 6}).path)


def test_a_name_that_is_no_folder_is_refused_before_anything_is_scored(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(laboratory, **{"train.snapshots": {}})
    long = trained(laboratory, name="n" * 95, **{"train.snapshots": {}})
    monkeypatch.setattr("clfkit.classifier.load_bundle", None)  # no data is read
    for path, name in ((run.path, "../../evil"), (long.path, None)):
        with pytest.raises(ConfigError, match="--name: name: names a folder"):
            join(laboratory, path, name=name)
        with pytest.raises(ConfigError, match="--name: name: names a folder"):
            join_probabilities(find_members([str(path)], Path()), laboratory.out, name, None)


def test_without_a_valid_split_nothing_can_be_chosen(laboratory: Any) -> None:
    runs = [trained(laboratory, **{"data.split.valid": 0, "seed": seed}).path for seed in (1, 2)]
    with pytest.raises(UsageError, match="chosen on the valid split"):
        join(laboratory, *runs)
