"""A backbone that turns images into features, and a head of your own shape that classifies them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from clfkit.components import NoOptions, backbones, models
from clfkit.data.bundle import DataSpec
from clfkit.errors import ModelError
from clfkit.models.dense import HIDDEN, dense_layers, norm_layers
from clfkit.models.fine_tuning import layer_factors
from clfkit.models.heads import Pooling, cosine_classifier, pooling_layer
from clfkit.models.modules import as_modules
from clfkit.models.plan import Activation, Dropout, Norm
from clfkit.models.trial import refusals, shape_of_outputs
from clfkit.options import FirstWeights, Fraction, Needs, Note
from clfkit.registry import Component

if TYPE_CHECKING:
    from torch import Tensor, nn


LEARNS = Needs("unfreeze_at, since the backbone is frozen", lambda group: not group.freeze or group.unfreeze_at)


def _never_reached(group: Any, epochs: int) -> str | None:
    if group.unfreeze_at is None or group.unfreeze_at <= epochs:
        return None
    all_epochs = "the only epoch" if epochs == 1 else f"all {epochs} epochs"
    return f"epoch {group.unfreeze_at} is never reached; the backbone stays frozen for {all_epochs}"


def _random_for_good(group: Any, epochs: int) -> str | None:
    learns = not group.freeze or (group.unfreeze_at is not None and group.unfreeze_at <= epochs)
    marked = group.backbone.options.marks(FirstWeights)
    if learns or any(getattr(owner, path[-1]) for path, owner, _ in marked):
        return None
    return f"backbone {group.backbone.name!r} starts from no trained weights, and what it starts from stays"


@models.register("custom_head", inputs="image")
def custom_head(
    spec: DataSpec,
    outputs: int,
    *,
    backbone: Annotated[Component[NoOptions], backbones] = Component("conv", NoOptions()),
    freeze: Annotated[bool, Note(_random_for_good)] = False,
    unfreeze_at: Annotated[
        Annotated[int, Field(ge=2)] | None, Needs("freeze: true", lambda group: group.freeze), Note(_never_reached)
    ] = None,
    backbone_lr: Annotated[PositiveFloat, LEARNS] = 1.0,
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0), LEARNS] = 1.0,
    pooling: Pooling = "average",
    cells: Annotated[int, Field(ge=1, le=16)] = 1,
    neck: Norm = "none",
    hidden: tuple[PositiveInt, ...] = (),
    activation: Annotated[Activation, HIDDEN] = "relu",
    dropout: Fraction = 0.2,
    norm: Annotated[Norm, HIDDEN] = "none",
    head: Literal["linear", "cosine"] = "linear",
) -> nn.Module:
    """A named backbone and a dense head: pool → neck → dropout → hidden layers → logits.

    Images (N, C, H, W) → feature maps (N, F, h, w) → pooled (N, F · cells²) → logits (N, outputs).

    Options:
        backbone: the network that makes feature maps (`clfkit list backbones`).
        freeze: leave the backbone's weights and statistics as they are; only the head learns.
        unfreeze_at: epoch, counted from 1, from which on a frozen backbone learns too.
        backbone_lr: factor on the learning rate for the backbone.
        layer_decay: further factor for each layer or block of the backbone: its last one has this, the one before its
            square.
        pooling: how each feature map becomes one number; gem is the generalised mean with a learnable power, between
            average and maximum, for maps that are not negative.
        neck: normalisation of the pooled features. batch lets a network learn sooner where classes are many (BNNeck of
            Luo et al., "Bag of tricks and a strong baseline for deep person re-identification", 2019).
        hidden: widths of the head's hidden layers.
        cells: parts along each side of a feature map that are pooled by themselves. 1 forgets where in the image a
            feature was seen, which suits photos; more tell characters apart that have the same strokes.
        activation: applied after every hidden layer of the head.
        dropout: share of the head's inputs and hidden activations set to zero in training.
        norm: normalisation in the head's hidden layers.
        head: the last layer: linear, or the cosine between features and a class's weights, with a learnable scale.
    """
    from torch import nn

    if unfreeze_at is not None and not freeze:
        raise ModelError("model.unfreeze_at: needs freeze: true; a backbone that is not frozen learns from epoch 1 on")
    with refusals(f"backbone {backbone.name!r}", spec):
        trunk: nn.Module = backbones.build(backbone, spec)
        pooled = _pooled_features(trunk, spec, backbone.name, cells)
    *inner, last = dense_layers(pooled, hidden, outputs, activation, dropout, norm)
    layers = [pooling_layer(pooling, cells), nn.Flatten()]
    layers += as_modules((*norm_layers(pooled, neck), Dropout(dropout), *inner))
    layers += [cosine_classifier((pooled, *hidden)[-1], outputs)] if head == "cosine" else as_modules([last])

    class CustomHead(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frozen = freeze
            self.backbone = trunk.requires_grad_(not freeze or unfreeze_at is not None)
            self.head = nn.Sequential(*layers)

        def train(self, mode: bool = True) -> CustomHead:
            super().train(mode)
            if self.frozen:  # a frozen backbone keeps its statistics and has no dropout
                self.backbone.eval()
            return self

        def start_epoch(self, epoch: int) -> None:  # see LearnsLater
            if unfreeze_at is not None:
                self.frozen = epoch < unfreeze_at
                self.backbone.requires_grad_(not self.frozen)
                self.train(self.training)

        def rate_factors(self) -> dict[str, float]:  # see LearnsAtRates
            factors = layer_factors(self.backbone, backbone_lr, layer_decay)
            return {f"backbone.{name}": factor for name, factor in factors.items()}

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.head(self.backbone(images))
            return logits

    return CustomHead()


def _pooled_features(backbone: nn.Module, spec: DataSpec, name: str, cells: int) -> int:
    """Number of features where each of the backbone's maps, found by a trial, is pooled in `cells` × `cells` parts.

    Raises ModelError if it makes no maps, or smaller ones.
    """
    shape = shape_of_outputs(backbone, spec)
    if shape is None or len(shape) != 4:
        raise ModelError(f"backbone {name!r} must return feature maps (N, F, h, w), not {shape or 'something else'}")
    _, maps, height, width = shape
    if cells > min(height, width):
        raise ModelError(
            f"model.cells: {cells} parts along each side are too many for feature maps of {height} × {width}; "
            f"at most {min(height, width)}, or larger images"
        )
    return maps * cells**2
