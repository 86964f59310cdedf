"""Train samples as they are, and as the first epochs show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import PositiveInt

from clfkit.augmentations import Augmenter
from clfkit.components import previews
from clfkit.config import ExperimentConfig
from clfkit.data.batches import Batches
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
    that they then have; with `train.sampling` what the first batch with the sample makes of it, and nothing where it is
    not drawn. The samples are of different classes where possible; the choice is the same every time.

    Options:
        samples: rows of the sheet.
        epochs: columns beside the original.

    Raises NothingToDraw for an experiment that neither augments nor mixes; UsageError where samples are drawn in
    batches of a size that is yet to be measured.
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
    batches = _batches(config, train)
    for epoch in range(epochs):
        order = batches.order(epoch)
        for axes, index in zip(grid[:, 1 + epoch], chosen, strict=True):
            places = np.flatnonzero(order == index)
            caption = "not drawn"
            if len(places):
                look = batches.look(epoch, int(places[0]) // batches.batch_size)
                image, caption = _seen(config, bundle.spec, train, index, look)
                show_picture(axes, image)
            else:
                height, width = train.inputs.shape[2:]  # as large as the pictures
                axes.set(xticks=[], yticks=[], xlim=(0, width), ylim=(0, height), aspect="equal")
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


def _batches(config: ExperimentConfig, train: Split) -> Batches:
    """Those of training. Where each sample comes once an epoch, any size does: an epoch has one key then."""
    options = config.train
    size = "full" if options.sampling == "natural" else options.batch_size
    return Batches.of(len(train), size, config.seed, options.sampling, train.labels)


def _seen(
    config: ExperimentConfig, spec: DataSpec, train: Split, index: int, key: int
) -> tuple[npt.NDArray[np.uint8], str]:
    """A sample as it looks with that key, pixels from 0 to 255, and what a mixed one bears."""
    import torch

    augment = Augmenter(config.train.augment, spec, "torch")

    def augmented(at: IndexArray) -> Tensor:
        pixels = torch.from_numpy(np.ascontiguousarray(train.inputs[at]))
        found: Tensor = augment(pixels, key, at).float()
        return found

    sample = np.array([index])
    images, caption = augmented(sample), ""
    if config.train.mix:
        mixer = Mixer(config.train.mix, spec, len(train))
        partners = mixer.partners(key, sample)
        images, shares = mixer(images, augmented(partners), key, sample)
        if shares[0] < 1:
            caption = f"{percent(1 - shares[0], 0)} {label(spec.classes.names[train.labels[partners[0]]], 16)}"
    return images.round().clamp(0, 255).byte().numpy()[0], caption
