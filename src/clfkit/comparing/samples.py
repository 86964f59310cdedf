"""Whether two runs were scored on the same samples, and who was right on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clfkit.comparing.runs import ComparedRun
from clfkit.config import STORAGE_OPTIONS, changed_data
from clfkit.data.bundle import IndexArray

SAME_SAMPLES = (
    "data.split", "data.normalize", "data.size", "data.channels", "data.resize", "data.decoder",
    *(option for option in STORAGE_OPTIONS if option != "data.root"),
)  # fmt: skip
"""Options that say how samples are divided and read. What is on one side of a split is told by ids; another root may
hold other files of the same names."""


@dataclass(frozen=True)
class Answers:
    """What a run predicted on a split. ids: (N,). labels and predicted: (N,) places in `classes`, the names."""

    run: ComparedRun
    ids: npt.NDArray[np.generic]
    labels: IndexArray
    predicted: IndexArray
    classes: tuple[str, ...]

    def in_order_of(self, other: Answers) -> IndexArray | None:
        """For each sample of another run its place here, by ids; None where the samples are not the same."""
        if np.array_equal(self.ids, other.ids):
            return np.arange(len(self.ids))
        if self.ids.dtype.kind != other.ids.dtype.kind or len(self.ids) != len(other.ids):
            return None
        mine, theirs = np.argsort(self.ids, kind="stable"), np.argsort(other.ids, kind="stable")
        sorted_ids = self.ids[mine]
        if (sorted_ids[1:] == sorted_ids[:-1]).any() or not np.array_equal(sorted_ids, other.ids[theirs]):
            return None
        places = np.empty(len(mine), np.int64)
        places[theirs] = mine
        return places

    def right(self) -> npt.NDArray[np.bool_]:
        """(N,) whether each sample is given its own class."""
        found: npt.NDArray[np.bool_] = self.predicted == self.labels
        return found


def answers(run: ComparedRun, split: str) -> Answers | None:
    """What a run predicted on a split, None where that was not kept. Raises RunError for a damaged file."""
    arrays = run.directory.predictions(split)
    if arrays is None or split not in run.evaluations:
        return None
    labels, predicted = (arrays[name].astype(np.int64) for name in ("labels", "predicted"))
    return Answers(run, arrays["ids"], labels, predicted, tuple(run.evaluations[split]["classes"]))


def unlike(first: Answers, other: Answers, split: str) -> str | None:
    """Why two runs cannot be compared sample by sample; None where they were scored on the same ones.

    Ids and labels have to be the same, labels by the names of their classes. The fingerprint of the data has to be the
    same too, since ids of points are mere numbers; unless what differs in the data is how they were divided or read.
    """
    changes = changed_data(first.run.config, other.run.config)
    found = _unlike_samples(first, other, split) or _unlike_data(first, other, split, changes)
    if found is None:
        return None
    told = [change for change in changes if change.startswith("data.name:")] or changes
    listed = f" ({'; '.join(told)})" if told else ""
    cure = "; with the same data.seed, `seed` draws weights and order only" if _other_seed(told) else ""
    return f"{found}{listed}{cure}"


def _unlike_samples(first: Answers, other: Answers, split: str) -> str | None:
    """What ids and labels tell."""
    if len(first.ids) != len(other.ids):
        return f"one has {len(first.ids):,} {split} samples, the other {len(other.ids):,}"
    places = other.in_order_of(first)
    if places is None:
        return f"their {split} samples have other ids"
    index = {name: at for at, name in enumerate(first.classes)}
    labels = np.array([index.get(name, -1) for name in other.classes], np.int64)[other.labels[places]]
    differing = np.count_nonzero(labels != first.labels)
    return f"{differing:,} of {len(labels):,} {split} samples have another label" if differing else None


def _unlike_data(first: Answers, other: Answers, split: str, changes: Sequence[str]) -> str | None:
    """What the fingerprints tell, of all samples or of none."""
    one, two = first.run.provenance, other.run.provenance
    if one is None or two is None:
        gone = (first if one is None else other).run
        return f"{gone.name} has no checkpoint any more, which would tell what its data were"
    if one[0] == two[0]:
        return None
    keys = [change.split(": ")[0] for change in changes]
    harmless = all(key.startswith(SAME_SAMPLES) for key in keys)
    if harmless and (keys or first.classes != other.classes):  # another order of classes is another fingerprint
        return None
    return f"their {split} samples have the same ids and labels, but the data differ"


def _other_seed(changes: Sequence[str]) -> bool:
    return any(change.startswith(("data.seed:", "seed of the data:")) for change in changes)
