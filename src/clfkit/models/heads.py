"""Pooling and classifiers of a custom head, as torch modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor, nn

Pooling = Literal["average", "max", "gem"]

FIRST_POWER = 3.0
"""Of generalised mean pooling, as Radenović et al. start it."""

FIRST_SCALE = 10.0
"""Of a cosine classifier, as Gidaris and Komodakis start it."""

SMALLEST = 1e-6
"""What a number counts at least in a generalised mean, whose gradient is infinite at 0."""


def pooling_layer(kind: Pooling, cells: int = 1) -> nn.Module:
    """A module from feature maps (N, F, h, w) to (N, F, cells, cells), each cell of a map pooled by itself.

    Cells are those of torch's adaptive pooling: of equal size to a pixel, overlapping where they do not divide a map.
    """
    from torch import nn

    if kind == "gem":
        return _generalised_mean(cells)
    return nn.AdaptiveAvgPool2d(cells) if kind == "average" else _maximum(cells)


def _maximum(cells: int) -> nn.Module:
    import torch
    from torch import nn
    from torch.nn.functional import adaptive_max_pool2d, max_pool2d

    def strips(size: int) -> list[slice]:
        return [slice(at * size // cells, -(-(at + 1) * size // cells)) for at in range(cells)]

    class Maximum(nn.Module):
        """The largest number of each cell. Cells that do not divide a map, rows first, since ONNX knows no others."""

        def forward(self, maps: Tensor) -> Tensor:
            height, width = maps.shape[2:]
            if height % cells == 0 and width % cells == 0:
                return adaptive_max_pool2d(maps, cells)
            rows = [maps[:, :, strip] for strip in strips(height)]
            maps = torch.cat([max_pool2d(each, (each.shape[2], 1)) for each in rows], 2)
            columns = [maps[:, :, :, strip] for strip in strips(width)]
            return torch.cat([max_pool2d(each, (1, each.shape[3])) for each in columns], 3)

    return Maximum()


def _generalised_mean(cells: int) -> nn.Module:
    import torch
    from torch import nn
    from torch.nn.functional import adaptive_avg_pool2d

    class GeneralisedMean(nn.Module):
        """(mean of x^p)^(1/p) over each cell of each map, with one learnable p (Radenović, Tolias and Chum 2018).

        p = 1 is the average, and as p grows it becomes the maximum. Numbers below 1e-6 count as 1e-6. Each map is
        divided by its largest number meanwhile, so that no power overflows.
        """

        def __init__(self) -> None:
            super().__init__()
            self.power = nn.Parameter(torch.tensor([FIRST_POWER]))

        def forward(self, maps: Tensor) -> Tensor:
            maps = maps.clamp(min=SMALLEST)
            largest = maps.detach().amax((2, 3), keepdim=True)
            mean = adaptive_avg_pool2d((maps / largest).pow(self.power), cells)
            mean = mean.clamp(
                min=torch.finfo(mean.dtype).tiny
            )  # a cell whose powers are all 0 beside its map's largest
            return largest * mean.pow(1 / self.power)

    return GeneralisedMean()


def cosine_classifier(inputs: int, outputs: int) -> nn.Module:
    """A module from features (N, inputs) to logits (N, outputs): s · cos(features, weights of each class).

    The scale s is learnable and starts at 10; there is no bias (Gidaris and Komodakis 2018). The length of the features
    and of a class's weights has no say, so that frequent classes are not preferred for theirs.
    """
    import torch
    from torch import nn

    class CosineClassifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(nn.Linear(inputs, outputs, bias=False).weight.detach())
            self.scale = nn.Parameter(torch.tensor([FIRST_SCALE]))

        def forward(self, features: Tensor) -> Tensor:
            directions = nn.functional.normalize(self.weight)
            return self.scale * nn.functional.linear(nn.functional.normalize(features), directions)

    return CosineClassifier()
