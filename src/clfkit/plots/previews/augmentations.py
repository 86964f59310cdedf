"""Train samples as they are, and as the first epochs show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import PositiveInt

from clfkit import rng
from clfkit.augmentations import Augmenter
from clfkit.components import previews
from clfkit.config import ExperimentConfig
from clfkit.data.bundle import DataBundle, DataSpec, IndexArray, Split
from clfkit.mixings import Mixer
from clfkit.plots import NothingToDraw
from clfkit.plots._pictures import show_picture
from clfkit.plots.style import label, percent, thinned

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor


@previews.register("augmentations", inputs="image")
def augmentations(
    config: ExperimentConfig, bundle: DataBundle, *, samples: PositiveInt = 6, epochs: PositiveInt = 7
) -> Figure:
    """A sheet of train samples, one a row: the original, then what each of the first epochs makes of it.

    They are the very pictures that training sees, before they are normalised, with `train.mix` mixed with the partners
    that they then have. The samples are of different classes where possible; the choice is the same every time.

    Options:
        samples: rows of the sheet.
        epochs: columns beside the original.

    Raises NothingToDraw for an experiment that neither augments nor mixes.
    """
    from matplotlib.figure import Figure

    if not config.train.augment and not config.train.mix:
        raise NothingToDraw("train.augment is empty and there is no train.mix, so samples stay as they are")
    train, names = bundle.train, bundle.spec.classes.names
    chosen = _choice(train.labels, samples)
    figure = Figure(figsize=(1 + 1.3 * (epochs + 1), 0.8 + (1.6 if config.train.mix else 1.35) * len(chosen)))
    grid = figure.subplots(len(chosen), epochs + 1, squeeze=False)
    for axes, image, index in zip(grid[:, 0], train.inputs[chosen], chosen, strict=True):
        show_picture(axes, image)
        axes.set_ylabel(label(names[train.labels[index]], 18), rotation=0, ha="right", va="center", fontsize=8.5)
    for epoch in range(epochs):
        images, captions = _seen(config, bundle.spec, train, chosen, epoch)
        for axes, image, caption in zip(grid[:, 1 + epoch], images, captions, strict=True):
            show_picture(axes, image)
            axes.set_xlabel(caption, fontsize=6.5, labelpad=2)
    for axes in grid.ravel():
        axes.spines[:].set(visible=True, color="#cccccc", linewidth=0.6)
    for axes, title in zip(grid[0], ["original", *(f"epoch {1 + epoch}" for epoch in range(epochs))], strict=True):
        axes.set_title(title, fontsize=9, loc="center")
    steps = [each.name for each in (*config.train.augment, config.train.mix) if each]
    figure.suptitle(f"Train samples of {label(config.name, 40)}: {', '.join(steps)}")
    return figure


def _choice(labels: IndexArray, count: int) -> IndexArray:
    """Up to `count` samples: the first of classes evenly spread, then of all samples."""
    firsts = np.unique(labels, return_index=True)[1]
    found = firsts[thinned(len(firsts), count)]
    others = np.setdiff1d(np.arange(len(labels)), found)
    return np.concatenate([found, others[thinned(len(others), count - len(found))]]).astype(np.int64)


def _seen(
    config: ExperimentConfig, spec: DataSpec, train: Split, samples: IndexArray, epoch: int
) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """The samples in that epoch, pixels from 0 to 255, and what mixed ones bear."""
    import torch

    key = rng.key(config.seed, "epoch", epoch)
    augment = Augmenter(config.train.augment, spec, "torch")

    def augmented(at: IndexArray) -> Tensor:
        pixels = torch.from_numpy(np.ascontiguousarray(train.inputs[at]))
        found: Tensor = augment(pixels, key, at).float()
        return found

    images, captions = augmented(samples), [""] * len(samples)
    if config.train.mix:
        mixer = Mixer(config.train.mix, spec, len(train))
        partners = mixer.partners(key, samples)
        images, shares = mixer(images, augmented(partners), key, samples)
        others = [label(spec.classes.names[index], 16) for index in train.labels[partners]]
        captions = [
            f"{percent(1 - share, 0)} {other}" if share < 1 else "" for share, other in zip(shares, others, strict=True)
        ]
    return images.round().clamp(0, 255).byte().numpy(), captions
