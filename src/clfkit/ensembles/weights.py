"""Averaged weights: one network from several of the same architecture."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from clfkit.checkpoint import Checkpoint
from clfkit.classifier import Classifier, device_here, prediction_setup
from clfkit.data.batches import Batches
from clfkit.data.bundle import Split
from clfkit.engines.base import Arrays
from clfkit.ensembles.members import Member
from clfkit.errors import UsageError
from clfkit.history import TrainState

STATISTICS = "running_mean"
"""How the arrays of batch norm end that weights alone do not determine."""


def average_of_snapshots(members: Sequence[Member]) -> Checkpoint:
    """The mean of all weights, as stochastic weight averaging takes it (Izmailov et al. 2018)."""
    _refuse_other_networks(members)
    return _averaged(members)


def greedy_soup(members: Sequence[Member]) -> tuple[Checkpoint, list[Member]]:
    """The best member on valid, and each next one that does not lower the accuracy there when it joins the mean.

    The greedy soup of Wortsman et al. 2022, for models that were tuned from one start. Returns the average and the
    members in it. Raises UsageError without a valid split, and where nothing joins: networks that were started from
    different weights lie in different valleys, and the mean of their weights is no network at all.
    """
    _refuse_other_networks(members)
    valid = members[0].classifier.bundle.valid
    if not len(valid):
        raise UsageError("--average weights of several runs is chosen on the valid split, and there is none")
    accuracy = {member.name: _accuracy(member.classifier, valid) for member in members}
    best, *others = sorted(members, key=lambda member: -accuracy[member.name])
    soup, joined, reached = best.classifier.checkpoint, [best], accuracy[best.name]
    for member in others:
        tried = _averaged([*joined, member])
        trial = _accuracy(Classifier(tried, tried.config), valid)
        if trial >= reached:
            soup, joined, reached = tried, [*joined, member], trial
    if len(joined) == 1:
        raise UsageError(
            f"accuracy on valid falls when the weights of any other member join those of {best.name}: runs that were "
            "started from different weights cannot be averaged so. Leave out --average to average their probabilities"
        )
    return soup, joined


def _accuracy(classifier: Classifier, valid: Split) -> float:
    return classifier.engine.score(valid).accuracy


def _averaged(members: Sequence[Member]) -> Checkpoint:
    """The members' mean as a checkpoint, with statistics of batch norm measured on the train split."""
    first, last = members[0].classifier, members[-1].classifier.checkpoint
    model = mean_of([member.classifier.checkpoint.model for member in members])
    if any(name.endswith(STATISTICS) for name in model):
        from clfkit.engines.pytorch.statistics import renewed_statistics

        config, train = first.config, first.bundle.train
        setup = prediction_setup(config, first.spec, first.checkpoint.class_counts)
        setup = dataclasses.replace(setup, device=device_here(config))
        batches = Batches.of(len(train), config.train.batch_size, config.seed).epoch(0)
        model = renewed_statistics(setup, model, train.inputs, (each for _, each in batches), last.state.epoch)
    return dataclasses.replace(first.checkpoint, state=TrainState(), records=(), model=model, optimizer={}, progress={})


def mean_of(models: Sequence[Arrays]) -> Arrays:
    """The mean of every array, taken in float64; of counters the last."""
    return {
        name: np.mean([model[name] for model in models], axis=0, dtype=np.float64).astype(array.dtype)
        if array.dtype.kind == "f"
        else array
        for name, array in models[-1].items()
    }


def _refuse_other_networks(members: Sequence[Member]) -> None:
    """Raises UsageError unless all are one architecture with the same inputs and outputs."""
    first = members[0]
    for member in members[1:]:
        mine, theirs = member.classifier, first.classifier
        for what, same in (
            ("model", mine.config.model == theirs.config.model),
            ("loss", mine.config.train.loss.name == theirs.config.train.loss.name),
            ("data", mine.spec == theirs.spec),
        ):
            if not same:
                raise UsageError(
                    f"--average weights needs members of one architecture; {member.name} and {first.name} differ in "
                    f"their {what}. Leave out --average to average their probabilities"
                )
