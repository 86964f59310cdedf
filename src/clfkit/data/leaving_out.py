"""What happens to samples whose image cannot be decoded: an error, or they are left out before anything is divided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from clfkit.data.bundle import PARTS, BadSample, IndexArray, LeftOut, listed
from clfkit.data.images import Images
from clfkit.data.index import IndexFile
from clfkit.data.labelling import LabelledFiles
from clfkit.data.sifting import bad_rows, fault_counts
from clfkit.errors import BadImage, DataError

OnBadSample = Literal["error", "skip", "quarantine"]


class Rule(NamedTuple):
    """What to do with bad samples, and how many there may be: a share of all samples, or a number."""

    on_bad_sample: OnBadSample
    max_bad: float | int

    def allowed(self, count: int) -> int:
        """How many of so many samples may be bad."""
        if self.on_bad_sample == "error":
            return 0
        return int(self.max_bad * count) if isinstance(self.max_bad, float) else self.max_bad


def leave_out(
    images: Images, found: LabelledFiles, rule: Rule, kept: IndexFile | None
) -> tuple[Images, LabelledFiles, LeftOut]:
    """The images that can be decoded, their names, labels and parts, and what was left out.

    All are decoded once, before the split is drawn, so that the split, the order of the samples and all that follows
    depend on the files alone, wherever samples lie later. kept: see `bad_rows`.
    Raises DataError where more are bad than there may be, and where they are all train samples of a class.
    """
    bad = bad_rows(images, kept)
    if not bad:
        return images, found, LeftOut()
    out = list(bad)
    _check_number(list(bad.values()), len(images), rule)
    rows = np.delete(np.arange(len(images)), out)
    left = found.take(rows)
    _check_classes(found, left)
    parts = found.parts()
    samples = tuple(
        BadSample(found.names[row], found.classes.names[found.labels[row]], parts[row], each.fault, each.reason)
        for row, each in bad.items()
    )
    copies = rule.on_bad_sample == "quarantine"
    return images.take(rows), left, LeftOut(samples, (lambda at: images.content(out[at])) if copies else None)


def told(left_out: LeftOut, count: int) -> str:
    """A line about samples that were left out; count: how many are there without them."""
    samples = left_out.samples
    faults = fault_counts([sample.fault for sample in samples])
    line = f"{len(samples):,} of {len(samples) + count:,} images cannot be read and are left out: {faults}"
    scored = [sum(sample.part == part for sample in samples) for part in PARTS]
    return line + "".join(
        f"; the score on {part} is of {number:,} samples fewer"
        for part, number in zip(PARTS, scored, strict=True)
        if number and part != "train"
    )


def _check_number(bad: Sequence[BadImage], count: int, rule: Rule) -> None:
    if len(bad) > (allowed := rule.allowed(count)):
        share = f" of them, which is {allowed:,}" if isinstance(rule.max_bad, float) else ""
        limit = f"data.max_bad: {rule.max_bad:g}{share}"
        faults = fault_counts([each.fault for each in bad])
        raise DataError(
            f"{len(bad):,} of {count:,} images cannot be read ({faults}), more than {limit}; `clfkit check-data` lists "
            f"them, data.max_bad: {len(bad)} leaves them out; the first: {bad[0]}"
        )


def _check_classes(before: LabelledFiles, after: LabelledFiles) -> None:
    gone = np.flatnonzero((_train_counts(before) > 0) & (_train_counts(after) == 0))
    if len(gone):
        names = [before.classes.names[at] for at in gone]
        raise DataError(f"data.on_bad_sample: none of the train images can be read of {listed(names)}")


def _train_counts(found: LabelledFiles) -> IndexArray:
    """Samples (K,) that a class has to train on, before any are drawn for other parts."""
    labels = found.labels[found.given["train"]] if found.given else found.labels
    return np.bincount(labels, minlength=len(found.classes))
