"""How many samples the classes have."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from clfkit.checking.findings import Example, Fact, Finding
from clfkit.checking.samples import Samples
from clfkit.data.bundle import PARTS, IndexArray, Part
from clfkit.metrics import unbalanced
from clfkit.wording import counted

FEW = 3  # samples that a class needs to be in every split


def class_facts(samples: Samples) -> list[Fact]:
    """The sizes of the splits and of the classes."""
    sizes = samples.sizes()
    counts = {part: samples.counts(part) for part in PARTS}
    train, names = counts["train"], samples.classes.names
    smallest, largest = int(train.min()), int(train.max())
    if smallest == largest:
        text = f"{counted(largest, 'train sample')} each"
    else:
        which = f"{smallest:,} to {largest:,} train samples each"
        text = f"{which}, {largest / smallest:.3g} times as many in the largest" if smallest else which
    values = {
        "count": len(names),
        "largest": largest,
        "smallest": smallest,
        "samples": {name: {part: int(counts[part][at]) for part in PARTS} for at, name in enumerate(names)},
    }
    return [
        Fact("splits", ", ".join(f"{size:,} {part}" for part, size in sizes.items()), sizes),
        Fact("classes", f"{len(names):,}, {text}", values),
    ]


def class_findings(samples: Samples) -> Iterator[Finding]:
    """Classes that cannot be learned or judged, and imbalance."""
    train = samples.counts("train")
    if len(none := np.flatnonzero(train == 0)):
        yield Finding(
            "no_train_samples", True, len(none), f"{_classes(none)} without a train sample",
            "give them train samples, or leave them out; data.split.stratify: true keeps one of each",
            _named(samples, none),
        )  # fmt: skip
    every = sum((samples.counts(part) for part in PARTS), np.zeros_like(train))
    if len(few := np.flatnonzero((every < FEW) & (train > 0))):
        yield Finding(
            "few_samples", False, len(few), f"{_classes(few)} with fewer than {FEW} samples, too few for three splits",
            "add samples, or merge such classes", _named(samples, few, every),
        )  # fmt: skip
    for part in PARTS:
        there = samples.counts(part)
        absent = np.flatnonzero((there == 0) & (train > 0))  # none of the train part
        if there.any() and len(absent):
            yield _absent(samples, part, absent)
    if (least := train[train > 0]).size and unbalanced(least):
        smallest = int(np.flatnonzero(train == least.min())[0])
        yield Finding(
            "unbalanced", False, len(train),
            f"the largest class has {train.max() / least.min():.3g} times as many train samples as the smallest",
            "train.sampling or train.loss.class_weights helps; judge by balanced_accuracy",
            _named(samples, np.array([train.argmax(), smallest]), train),
        )  # fmt: skip


def _absent(samples: Samples, part: Part, absent: IndexArray) -> Finding:
    summary = f"{_classes(absent)} without a {part} sample, which nothing judges there"
    return Finding(
        f"absent_in_{part}", False, len(absent), summary,
        f"a larger data.split.{part} helps where splits are drawn", _named(samples, absent),
    )  # fmt: skip


def _classes(which: IndexArray) -> str:
    return counted(len(which), "class", "classes")


def _named(samples: Samples, which: IndexArray, counts: IndexArray | None = None) -> list[Example]:
    """Classes as examples, with how many samples each has."""
    names = samples.classes.names
    return [
        Example(names[at] if counts is None else f"{names[at]}: {int(counts[at]):,}") for at in map(int, which.tolist())
    ]
