"""An ensemble as one checkpoint: a model that averages the probabilities of its members."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clfkit.checkpoint import Checkpoint
from clfkit.classifier import Classifier
from clfkit.components import LossOptions, augmentations, losses
from clfkit.config import ExperimentConfig, config_from_plain
from clfkit.data.bundle import DataSpec
from clfkit.engines.base import Arrays
from clfkit.ensembles.members import Member
from clfkit.history import TrainState
from clfkit.registry import Component

SHARED = ("batch_size", "device", "precision", "channels_last", "resident", "threads", "deterministic")
"""Options under `train` that predictions may depend on; the others say how something is trained, which this is not."""


def as_checkpoint(members: Sequence[Member], name: str, *, honest: bool) -> Checkpoint:
    """The ensemble under that experiment's name. It computes with torch, and as the first member does.

    honest: whether all were trained with one split. Otherwise the checkpoint claims no data as its own, so that an
    evaluation warns that its samples may have been trained with.
    """
    first = members[0].classifier
    arrays: Arrays = {}
    for index, member in enumerate(members):
        own = {f"model.{key}": array for key, array in member.classifier.checkpoint.model.items()}
        scale, shift = _renormalisation(first.spec, member.classifier.spec)
        own |= {"columns": member.columns, "scale": scale, "shift": shift}
        arrays |= {f"members.{index}.{key}": array for key, array in own.items()}
    fingerprint = first.checkpoint.fingerprint if honest else ""
    config = _config([member.classifier for member in members], name)
    return Checkpoint(config, first.spec, first.checkpoint.class_counts, fingerprint, TrainState(), (), arrays)


def _config(members: Sequence[Classifier], name: str) -> ExperimentConfig:
    configs = [member.config for member in members]
    first, train = configs[0], configs[0].train
    parts = [{"model": config.model.plain(), "loss": config.train.loss.plain()} for config in configs]
    alike = all(config.train.augment == train.augment for config in configs)
    served = all(augmentations.serves(each.name, "torch") for each in train.augment)
    plain = first.plain()
    chosen = {key: plain["train"][key] for key in SHARED}
    chosen |= {"loss": _loss(configs).plain(), "augment": plain["train"]["augment"] if alike and served else []}
    whole = {**plain, "name": name, "engine": "torch", "model": {"name": "ensemble", "members": parts}}
    return config_from_plain({**whole, "train": chosen}, f"the ensemble {name}")


def _loss(configs: Sequence[ExperimentConfig]) -> Component[LossOptions]:
    """Cross-entropy, smoothed and weighted as the members' losses where those agree."""
    shared = [config.train.loss.options.model_dump(include=set(LossOptions.model_fields)) for config in configs]
    same = all(options == shared[0] for options in shared)
    return losses.parse({"name": "cross_entropy", **(shared[0] if same else {})})


def _renormalisation(ensemble: DataSpec, member: DataSpec) -> tuple[np.ndarray, np.ndarray]:
    """What turns inputs standardised as the ensemble's into the member's own: x' = scale x + shift."""
    mean, std = np.array(ensemble.mean), np.array(ensemble.std)
    own_mean, own_std = np.array(member.mean), np.array(member.std)
    return (std / own_std).astype(np.float32), ((mean - own_mean) / own_std).astype(np.float32)
