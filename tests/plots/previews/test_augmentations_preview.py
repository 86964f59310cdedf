"""The sheet of augmented samples shows what training sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from matplotlib.figure import Figure

from clfkit import rng
from clfkit.augmentations import Augmenter
from clfkit.components import previews
from clfkit.config import ExperimentConfig
from clfkit.data.batches import Batches
from clfkit.data.bundle import DataBundle
from clfkit.data.loading import load_bundle
from clfkit.mixings import Mixer
from clfkit.plots import NothingToDraw
from clfkit.plots.previews import preview

AUGMENT = {"train.augment": [{"name": "shift", "pixels": 2}, "affine"]}


def sheet(config: ExperimentConfig, **options: Any) -> Figure:
    return preview(previews.parse({"name": "augmentations", **options}), config)


def pictures(figure: Figure, rows: int) -> npt.NDArray[np.uint8]:
    """(rows, columns, height, width)"""
    found = np.stack([axes.images[0].get_array() for axes in figure.axes])
    return found.reshape(rows, -1, *found.shape[1:])


def expected(config: ExperimentConfig, bundle: DataBundle, samples: npt.NDArray[np.int64], epoch: int) -> torch.Tensor:
    """What a step of that epoch is given, as pixels."""
    augment = Augmenter(config.train.augment, bundle.spec, "torch")
    key = rng.key(config.seed, "epoch", epoch)
    images = augment(torch.from_numpy(np.asarray(bundle.train.inputs[samples])), key, samples).float()
    return images.round().clamp(0, 255)[:, 0]


def test_columns_are_the_first_epochs(laboratory: Any) -> None:
    config = laboratory.config("digits", AUGMENT)
    bundle = load_bundle(config.data, config.data_seed)
    found = pictures(sheet(config, samples=3, epochs=2), 3)
    inputs = np.asarray(bundle.train.inputs)[:, 0]
    samples = np.array([int(np.flatnonzero((inputs == row[0]).all(axis=(1, 2)))[0]) for row in found])
    assert len(set(bundle.train.labels[samples])) == 3, "different classes"
    for epoch in range(2):
        assert np.array_equal(found[:, 1 + epoch], expected(config, bundle, samples, epoch).numpy())


def test_cells_of_what_is_not_drawn_are_as_large_as_pictures(laboratory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Batches, "order", lambda batches, epoch: np.arange(20 * epoch))
    figure = sheet(laboratory.config("digits", AUGMENT), samples=4, epochs=2)
    figure.draw_without_rendering()
    assert {bool(axes.images) for axes in figure.axes} == {True, False}
    assert len({tuple(np.round(axes.get_window_extent().size).tolist()) for axes in figure.axes}) == 1


def test_drawn_samples_are_those_of_their_batches(laboratory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture is one that a step of the run itself was given; samples that were not drawn have none."""
    config = laboratory.config("digits", {**AUGMENT, "train.sampling": "balanced", "train.epochs": 2})
    figure = sheet(config, samples=6, epochs=2)
    given: list[bytes] = []
    call = Augmenter.__call__

    def noted(self: Augmenter, images: torch.Tensor, key: int, samples: npt.NDArray[np.int64]) -> torch.Tensor:
        found: torch.Tensor = call(self, images, key, samples)
        given.extend(found.float().round().clamp(0, 255).byte().numpy()[:, 0][at].tobytes() for at in range(len(found)))
        return found

    monkeypatch.setattr(Augmenter, "__call__", noted)
    laboratory.run(config)
    cells = [axes for at, axes in enumerate(figure.axes) if at % 3]
    drawn = [axes for axes in cells if axes.images]
    assert len(drawn) > 3
    assert all(np.asarray(axes.images[0].get_array()).astype(np.uint8).tobytes() in given for axes in drawn)
    assert all((axes.get_xlabel() == "not drawn") != bool(axes.images) for axes in cells)


def test_mixed_samples_name_their_partners(laboratory: Any) -> None:
    config = laboratory.config("digits", {"train.mix": {"name": "mixup", "alpha": 1.0}})
    figure = sheet(config, samples=4, epochs=1)
    bundle = load_bundle(config.data, config.data_seed)
    inputs = np.asarray(bundle.train.inputs)[:, 0]
    found = pictures(figure, 4)
    samples = np.array([int(np.flatnonzero((inputs == row[0]).all(axis=(1, 2)))[0]) for row in found])
    mixer, key = Mixer(config.train.mix, bundle.spec, len(bundle.train)), rng.key(config.seed, "epoch", 0)  # type: ignore[arg-type]
    partners = mixer.partners(key, samples)
    own, others = (torch.from_numpy(inputs[at, None]) for at in (samples, partners))
    mixed, shares = mixer(own, others, key, samples)
    assert np.array_equal(found[:, 1], mixed.round().numpy()[:, 0])
    captions = [axes.get_xlabel() for axes in figure.axes[1::2]]
    names = [bundle.spec.classes.names[index] for index in bundle.train.labels[partners]]
    assert captions == [f"{100 * (1 - share):.0f} % {name}" for share, name in zip(shares, names, strict=True)]


def test_more_rows_than_samples_or_classes(laboratory: Any) -> None:
    config = laboratory.config("digits", AUGMENT)
    assert len(sheet(config, samples=14, epochs=1).axes) == 28


def test_nothing_to_draw(laboratory: Any) -> None:
    with pytest.raises(NothingToDraw, match=r"train\.augment is empty and there is no train\.mix"):
        sheet(laboratory.config("digits"))
    with pytest.raises(NothingToDraw, match="preview 'augmentations' needs image data, and this experiment has vector"):
        sheet(laboratory.config("blobs"))
