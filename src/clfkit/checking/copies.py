"""Samples that are there more than once: copies, copies in several splits, copies of several classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from clfkit.checking.findings import Example, Finding
from clfkit.checking.samples import Samples
from clfkit.data.bundle import PARTS, IndexArray
from clfkit.wording import counted

Digests = npt.NDArray[np.uint64]
"""128 bits (N, 2) that tell the content of each sample."""


def equal_rows(digests: Digests) -> list[IndexArray]:
    """The groups of rows whose digests are the same, two at least in each, in the order of their first rows."""
    if not len(digests):
        return []
    order = np.lexsort((digests[:, 1], digests[:, 0]))
    ordered = digests[order]
    starts = np.flatnonzero(np.concatenate(([True], (ordered[1:] != ordered[:-1]).any(axis=1))))
    groups = [np.sort(group) for group in np.split(order, starts[1:]) if len(group) > 1]
    return sorted(groups, key=lambda group: int(group[0]))


def copies(samples: Samples, groups: Sequence[IndexArray], what: str, allowed: float = 0.0) -> Iterator[Finding]:
    """What the groups of equal samples mean.

    what: a sample, as `image`. allowed: the share of samples that may be equal to others by chance; what concerns no
    more than that is a note.
    """
    across = [group for group in groups if len(set(samples.parts[group].tolist())) > 1]
    judged = sum(int((samples.parts[group] != PARTS.index("train")).sum()) for group in across)
    held = max(1, len(samples) - samples.sizes()["train"])
    if across:
        yield Finding(
            "leakage", judged > allowed * held, judged,
            f"{counted(judged, what)} of valid or test equal to {what}s of another split: the score counts what was "
            "learned by heart",
            "keep one of each, and remove the others", _examples(samples, across),
        )  # fmt: skip
    torn = [group for group in groups if len(set(samples.labels[group].tolist())) > 1]
    rows = sum(map(len, torn))
    if torn:
        wrong = sum(len(group) - int(np.bincount(samples.labels[group]).max()) for group in torn)
        yield Finding(
            "conflicting_labels", rows > allowed * len(samples), rows,
            f"{counted(rows, what)} with equals of another class: at least {counted(wrong, 'label')} must be wrong",
            f"decide for one class and remove the {what} from the others", _examples(samples, torn),
        )  # fmt: skip
    inside = [group for group in groups if len(set(zip(samples.parts[group], samples.labels[group], strict=True))) == 1]
    extra = sum(len(group) - 1 for group in inside)
    if extra:
        yield Finding(
            "copies", False, extra, f"{counted(extra, what)} equal to others of the same class and split",
            "they weigh more than others; remove them if that is not meant", _examples(samples, inside),
        )  # fmt: skip


def _examples(samples: Samples, groups: Sequence[IndexArray]) -> list[Example]:
    return [Example(places=samples.places(group)) for group in groups]
