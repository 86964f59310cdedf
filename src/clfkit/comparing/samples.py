"""Whether two runs were scored on the same samples, and who was right on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clfkit.comparing.runs import ComparedRun
from clfkit.config import STORAGE_OPTIONS, changed_data
from clfkit.data.bundle import IndexArray

NEVER_CONTENT = (
    "data.split", "data.normalize", *(option for option in STORAGE_OPTIONS if option != "data.root"),
)  # fmt: skip
"""Options that do not change what a sample holds, so that they explain no other content."""


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

    Ids and labels have to be the same, labels by the names of their classes. What the samples hold has to be the same
    too, since ids of points are mere numbers, and files may be replaced. See `Split.content`.
    """
    changes = changed_data(first.run.config, other.run.config)
    found = _unlike_samples(first, other, split)
    if found is None:
        same = _same_content(first, other, split)
        if same is None:
            return _untold(first, other, split)
        if same:
            return None
        found = f"their {split} samples have the same ids and labels, but other content"
        changes = [change for change in changes if not change.startswith(NEVER_CONTENT)]
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


def _same_content(first: Answers, other: Answers, split: str) -> bool | None:
    """What the digests in the evaluations tell, else the fingerprints of all data; None where they tell nothing.

    Other fingerprints tell nothing, since other train samples are enough for that.
    """
    one, two = (each.run.evaluations[split].get("content") or {} for each in (first, other))
    if both := one.keys() & two.keys():
        return any(one[key] == two[key] for key in both)
    alike = first.run.fingerprint is not None and first.run.fingerprint == other.run.fingerprint
    return True if alike else None


def _untold(first: Answers, other: Answers, split: str) -> str:
    """Why nothing tells what the samples are, and what to do about it."""
    for run in (first.run, other.run):
        if "content" not in run.evaluations[split]:
            again = f"clfkit eval --checkpoint {run.directory.path} --split {split}"
            return f"the evaluation of {run.name} does not tell what its {split} samples hold; make it anew: {again}"
    return f"their {split} samples have the same ids and labels, and nothing tells whether they hold the same"


def _other_seed(changes: Sequence[str]) -> bool:
    return any(change.startswith(("data.seed:", "seed of the data:")) for change in changes)
