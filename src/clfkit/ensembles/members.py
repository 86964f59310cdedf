"""Which trained models may be joined: those that see the same inputs, and were trained with the same split."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clfkit.checkpoint import read_checkpoint
from clfkit.classifier import Classifier, load
from clfkit.config import changed_data
from clfkit.data.bundle import FloatArray, IndexArray, Inputs
from clfkit.errors import UsageError

HOW_TO_FIX = (
    "`seed` draws the split (and synthetic samples) too, unless data.seed is set: train every member with the same "
    "--set data.seed=… and another --set seed=…"
)


@dataclass(frozen=True)
class Member:
    """A trained model under the name that it was asked for by, with the order of its classes.

    columns: for each class of the first member, the column of its probabilities here.
    """

    name: str
    classifier: Classifier
    columns: IndexArray

    def predict(self, inputs: Inputs) -> FloatArray:
        """Class probabilities (N, K) of raw inputs, in the order of the first member's classes."""
        ordered: FloatArray = self.classifier.engine.predict(inputs)[:, self.columns]
        return ordered


def find_members(sources: Sequence[str], root: Path) -> list[Member]:
    """The models of several runs or checkpoints, or the snapshots of one run.

    Raises UsageError for a run without snapshots, models that are given twice and those with other inputs,
    ClassMismatch for other classes, CheckpointError.
    """
    named = [(source, load(source, root)) for source in sources]
    if len(named) == 1:
        named = _snapshots(*named[0])
    if len({name for name, _ in named}) < len(named):
        raise UsageError("the same model is given twice; each member must be another one")
    first = named[0][1]
    for name, classifier in named[1:]:
        _refuse_other_inputs(classifier, first, name, named[0][0])
    return [Member(name, each, each.spec.classes.translation(first.spec.classes, named[0][0])) for name, each in named]


def _snapshots(name: str, classifier: Classifier) -> list[tuple[str, Classifier]]:
    run = classifier.run
    paths = list(run.snapshots.by_epoch().values()) if run is not None else []
    if run is None or len(paths) < 2:
        held = f"it has {len(paths) or 'no'} snapshot{'s' * (len(paths) != 1)}"
        raise UsageError(
            f"{name}: one run is joined from its snapshots, at least two, and {held}. Train it with train.snapshots, "
            "or give several runs"
        )
    checkpoints = [(str(path), read_checkpoint(path)) for path in paths]
    return [(path, Classifier(checkpoint, checkpoint.config, run)) for path, checkpoint in checkpoints]


def _refuse_other_inputs(classifier: Classifier, first: Classifier, name: str, whose: str) -> None:
    """Raises UsageError unless two models take the same samples. Mean and deviation may differ: each has its own."""
    for key in ("inputs", "shape", "feature_names", "columns", "image"):
        mine, theirs = getattr(classifier.spec, key), getattr(first.spec, key)
        if mine != theirs:
            shown = f": {mine} and {theirs}" if key in ("inputs", "shape") else ""
            raise UsageError(f"{name} takes other samples than {whose}, which differ in their {key}{shown}")


def unlike_split(members: Sequence[Member]) -> str | None:
    """Why the members cannot be scored together: the first that was trained with another split, and how to mend it.

    None where all saw the same train samples, and the data are still those.
    """
    first = members[0]
    for member in members[1:]:
        if not _same_split(member.classifier, first.classifier):
            return (
                f"{member.name} was trained with other samples, or another split of them, than {first.name}"
                f"{_difference(first.classifier, member.classifier)}: test samples of one may be train samples of "
                f"the other. {HOW_TO_FIX}"
            )
    if first.classifier.data_changed:
        return f"the data, or its split, is not any more what {first.name} was trained with"
    return None


def _same_split(classifier: Classifier, first: Classifier) -> bool:
    """Whether train, valid and test hold the same samples. Where only the order of the classes may differ, both data
    are read, with the classes in the order of the first."""
    if classifier.checkpoint.fingerprint == first.checkpoint.fingerprint:
        return True
    if classifier.classes == first.classes or classifier.data_changed:
        return False
    data = {"data": classifier.config.data, "seed": classifier.config.seed}
    as_first = dataclasses.replace(first, config=first.config.model_copy(update=data))
    return not as_first.data_changed


def _difference(first: Classifier, other: Classifier) -> str:
    """The options of the data that differ, or the seeds."""
    differ = changed_data(first.config, other.config)
    return f" ({'; '.join(differ)})" if differ else ""
