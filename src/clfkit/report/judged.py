"""What was predicted for each sample of a split, and what follows from that: confusions, calibration, mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import IndexArray
from clfkit.errors import RunError
from clfkit.metrics.probabilities import Bin, reliability
from clfkit.mistakes import contradicted

Shares = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """Predictions of N samples, as they were saved.

    ids: (N,). labels, predicted: (N,) class indices. confidence: (N,) probability of the predicted class, own: (N,)
    that of the given one. classes: how many there are.
    """

    ids: npt.NDArray[Any]
    labels: IndexArray
    predicted: IndexArray
    confidence: Shares
    own: Shares
    classes: int

    @classmethod
    def of(cls, stored: Mapping[str, npt.NDArray[Any]], classes: int) -> Judged:
        """What `RunDirectory.predictions` gives. A class that is not among the most probable ones kept has 0.

        Raises RunError where the probabilities are not those of all samples, or a class is none of theirs.
        """
        rows, probabilities = len(stored["labels"]), stored.get("probabilities")
        top, shares = stored.get("top_classes"), stored.get("top_probabilities")

        def share_of(which: IndexArray) -> Shares:
            found: Shares
            if probabilities is not None and len(probabilities) == rows:
                found = np.take_along_axis(probabilities, which[:, None], axis=1)[:, 0].astype(np.float64)
            elif top is not None and shares is not None and len(top) == len(shares) == rows:
                found = np.where(top == which[:, None], shares, 0).max(axis=1, initial=0.0).astype(np.float64)
            else:
                raise RunError("the saved predictions do not hold the probabilities of all of their samples")
            return found

        said, given = stored["predicted"], stored["labels"]
        if rows and not 0 <= min(said.min(), given.min()) <= max(said.max(), given.max()) < classes:
            raise RunError(f"the saved predictions are of other classes than the {classes:,} that are known")
        return cls(stored["ids"], given, said, share_of(said), share_of(given), classes)

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def mistakes(self) -> IndexArray:
        """Positions of the samples that were predicted wrong, the most confident first."""
        wrong = np.flatnonzero(self.labels != self.predicted)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")]

    @cached_property
    def confusion(self) -> tuple[IndexArray, IndexArray, IndexArray]:
        """True class, predicted class and number of samples of every pair that occurs."""
        pairs, counts = np.unique(self.labels * self.classes + self.predicted, return_counts=True)
        return pairs // self.classes, pairs % self.classes, counts.astype(np.int64)

    def suspects(self) -> IndexArray:
        """Positions of samples whose given label is probably wrong, the most certain first."""
        return contradicted(self.labels, self.predicted, self.confidence, self.own, self.classes)

    def reliability(self) -> list[Bin]:
        """Confidence beside accuracy, by confidence; empty bins are left out."""
        return reliability(self.confidence, self.labels == self.predicted)
