"""Losses: what training minimises, for a batch of logits and labels."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from clfkit.components import ClassWeights, LossOptions, losses
from clfkit.errors import DataError
from clfkit.registry import Component

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from clfkit.data.bundle import ClassMap, IndexArray

    Weights = npt.NDArray[np.float64]
    """One weight a class, shape (K,)."""


class Loss(ABC):
    """A loss as a weighted sum over samples and the sum of the weights, so that any grouping adds up exactly."""

    outputs: int
    """Logits that the model must make for one sample."""

    @abstractmethod
    def torch(self, logits: Tensor, labels: Tensor, shares: Tensor | None = None) -> tuple[Tensor, Tensor | float]:
        """logits (N, outputs), labels (N,) → (sum of weighted losses, sum of weights).

        shares (N,), from 0 to 1: how much of each sample bears its label; loss and weight count by as much.
        """

    @abstractmethod
    def weight(self, labels: Tensor, shares: Tensor | None = None) -> Tensor | float:
        """Sum of the weights of these labels alone, each times its sample's share."""

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """logits (N, outputs) → class probabilities (N, K)."""

    def predicted(self, logits: Tensor) -> Tensor:
        """logits (N, outputs) → the most probable class of each sample (N,)."""
        return logits.argmax(dim=1)

    def adjusted(self, offsets: Weights) -> Loss:
        """This loss on logits to which the offsets (outputs,) were added; see `offsets_of`."""
        from clfkit.losses._adjusted import Adjusted

        return Adjusted(self, offsets)


def build_loss(
    component: Component[LossOptions], classes: ClassMap, counts: IndexArray, engine: str | None = None
) -> Any:
    """The loss of a config for these classes, of which the train split holds `counts` samples each.

    A `Loss`, or what `engine` has in its place. Raises DataError when it does not fit the classes.
    """
    options = component.options
    weights = class_weights(options.class_weights, classes, counts, options.beta)
    loss = losses.build(component, classes, options.label_smoothing, weights, engine=engine)
    if not options.logit_adjustment:
        return loss
    return loss.adjusted(options.logit_adjustment * offsets_of(counts, loss.outputs))


def offsets_of(counts: IndexArray, outputs: int) -> Weights:
    """log π of each class's share π of the samples, shape (outputs,); for one logit log π₁ - log π₀.

    A loss on logits z + τ log π teaches z to be what it would be if all classes were as frequent (Menon et al. 2021).
    Classes without samples count as if they had one.
    """
    import numpy as np

    logs: Weights = np.log(np.maximum(counts, 1) / counts.sum())
    return logs if outputs > 1 else logs[1:] - logs[:1]


def class_weights(wanted: ClassWeights, classes: ClassMap, counts: IndexArray, beta: float) -> Weights | None:
    """Weight of each class, shape (K,), or None for equal ones.

    `balanced` is N / (K · count), scikit-learn's definition, so that every class weighs the same in the loss.
    `effective_number` is (1 - β) / (1 - β^count), the inverse of how many samples the class is worth where new ones
    overlap with those that are there (Cui et al. 2019); scaled so that all N samples weigh N together.
    Raises DataError for weights of classes that do not exist.
    """
    if wanted is None:
        return None
    if not isinstance(wanted, str):
        return named_weights(wanted, classes)
    import numpy as np

    present = np.maximum(counts, 1)
    if wanted == "balanced":
        balanced: Weights = counts.sum() / (len(counts) * present)
        return balanced
    inverse = (beta - 1) / np.expm1(present * math.log(beta))  # 1 - β^n would lose digits near β = 1
    effective: Weights = inverse * (counts.sum() / (counts * inverse).sum())
    return effective


def named_weights(wanted: Mapping[str, float], classes: ClassMap) -> Weights:
    """Weights by class name; classes that are not named weigh 1."""
    import numpy as np

    from clfkit.data.bundle import listed

    unknown = [name for name in wanted if name not in classes.index]
    if unknown:
        raise DataError(f"train.loss.class_weights: no class {listed(unknown)}; the data has {listed(classes.names)}")
    return np.array([wanted.get(name, 1.0) for name in classes.names], dtype=np.float64)
