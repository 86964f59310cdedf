"""Augmentations: the same images on both engines, whatever batch they come in, and in training alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clfkit import rng
from clfkit.augmentations import Augmenter
from clfkit.components import augmentations, engines, losses, models, optimizers
from clfkit.config import load_config
from clfkit.data.bundle import ClassMap, DataSpec, Split
from clfkit.engines.base import Engine, EngineSetup
from clfkit.errors import ConfigError, UsageError
from clfkit.registry import Component

Array = npt.NDArray[Any]
ENGINES = pytest.mark.parametrize("engine", ["torch", "scratch"])


def spec_of(channels: int, height: int, width: int) -> DataSpec:
    return DataSpec(
        inputs="image", shape=(channels, height, width), classes=ClassMap(names=("a", "b")),
        mean=(100.0,) * channels, std=(50.0,) * channels,
    )  # fmt: skip


def augmenter(engine: str, spec: DataSpec, *options: dict[str, Any]) -> Augmenter:
    return Augmenter([augmentations.parse({"name": "shift", **each}) for each in options], spec, engine)


def augmented(engine: str, images: Array, key: int, samples: Array, *options: dict[str, Any]) -> Array:
    """A batch through the augmenter of an engine, as NumPy."""
    augment = augmenter(engine, spec_of(*images.shape[1:]), *options)
    batch = torch.from_numpy(images) if engine == "torch" else images
    return np.asarray(augment(batch, key, samples))


def images_of(count: int, *shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(1, 256, (count, *shape)).astype(np.uint8)


@ENGINES
@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 3), st.integers(4, 9), st.integers(4, 9), st.integers(1, 3), st.integers(0, 2**62),
    st.sampled_from([("black", "constant"), ("edge", "edge"), ("mirror", "reflect")]),
)  # fmt: skip
def test_every_image_is_moved_as_by_hand(
    engine: str, channels: int, height: int, width: int, pixels: int, key: int, paddings: tuple[str, Any]
) -> None:
    padding, mode = paddings
    images, samples = images_of(5, channels, height, width), np.array([3, 0, 9, 10**6, 4])
    moved = augmented(engine, images, key, samples, {"pixels": pixels, "padding": padding})
    assert moved.dtype == np.uint8
    places = rng.Streams(rng.key(key, "augmentation", 0), samples).whole(2, 2 * pixels + 1)
    for image, result, (top, left) in zip(images, moved, places, strict=True):
        framed = np.pad(image, ((0, 0), (pixels, pixels), (pixels, pixels)), mode=mode)
        assert np.array_equal(result, framed[:, top : top + height, left : left + width])


@ENGINES
def test_all_places_are_equally_likely(engine: str) -> None:
    images = np.zeros((5000, 1, 5, 5), np.uint8)
    images[:, 0, 2, 2] = 255
    moved = augmented(engine, images, 3, np.arange(5000), {"pixels": 2})
    counts = (moved[:, 0] == 255).sum(axis=0)
    assert counts.sum() == 5000
    assert counts.min() > 140 and counts.max() < 260, "200 each"


@ENGINES
def test_change_of_a_sample_depends_on_epoch_and_index_alone(engine: str) -> None:
    images = images_of(40, 1, 8, 8)
    whole = augmented(engine, images, 5, np.arange(40), {"pixels": 3})
    part = np.array([31, 2, 17])
    assert np.array_equal(augmented(engine, images[part], 5, part, {"pixels": 3}), whole[part])
    assert not np.array_equal(augmented(engine, images, 6, np.arange(40), {"pixels": 3}), whole)
    assert np.array_equal(images, images_of(40, 1, 8, 8)), "never in place"


@ENGINES
def test_augmentations_of_a_list_draw_for_themselves(engine: str) -> None:
    images = np.zeros((3000, 1, 9, 9), np.uint8)
    images[:, 0, 4, 4] = 255
    twice = augmented(engine, images, 1, np.arange(3000), {"pixels": 1}, {"pixels": 1})
    places = np.argwhere(twice[:, 0] == 255)[:, 1:] - 4
    assert len(places) == 3000
    share = [(np.abs(places[:, 0]) == distance).mean() for distance in (0, 1, 2)]
    assert np.allclose(share, [3 / 9, 4 / 9, 2 / 9], atol=0.04), "the sum of two independent moves"


def setup_of(**changes: Any) -> EngineSetup:
    """Twenty-four images of 8×8 pixels."""
    labels = np.arange(24) % 2
    train = Split(images_of(24, 1, 8, 8, seed=3), labels, np.arange(24))
    setup = EngineSetup(
        spec=spec_of(1, 8, 8), model=models.parse({"name": "cnn", "channels": (3,), "dense": (5,), "dropout": 0.0}),
        loss=losses.parse("cross_entropy"), optimizer=optimizers.parse("sgd"), train=train,
        class_counts=np.array([12, 12]), seed=1, batch_size=8, device="cpu", threads=1, precision="fp64",
        augment=(augmentations.parse({"name": "shift", "pixels": 2}),),
    )  # fmt: skip
    return dataclasses.replace(setup, **changes)


def engine_of(name: str, setup: EngineSetup) -> Engine:
    engine: Engine = engines.build(Component(name, engines.entry(name).options()), setup)
    return engine


@ENGINES
def test_steps_see_augmented_samples_and_scores_do_not(engine: str) -> None:
    setup = setup_of()
    assert setup.train is not None
    mine, plain = engine_of(engine, setup), engine_of(engine, setup_of(augment=()))
    assert mine.score(setup.train).mean_loss == plain.score(setup.train).mean_loss
    assert np.array_equal(mine.predict(setup.train.inputs), plain.predict(setup.train.inputs))
    for at in (np.array([5, 1, 9]), np.arange(24)):  # a batch, and the whole split
        images = np.asarray(setup.train.inputs)[at]
        moved = augmented(engine, images, 77, at, {"pixels": 2})
        by_hand = engine_of(
            engine, setup_of(augment=(), train=Split(moved, setup.train.labels[at], at), batch_size=len(at))
        )
        expected = by_hand.train_step(np.arange(len(at)), 0.0, 0)
        found = mine.train_step(at, 0.0, 0, 77)
        assert float(found.loss) == pytest.approx(float(expected.loss), rel=1e-12)
        assert float(found.loss) != pytest.approx(float(plain.train_step(at, 0.0, 0, 77).loss), rel=1e-6)


def test_engines_agree() -> None:
    one, other = (engine_of(name, setup_of()) for name in ("torch", "scratch"))
    for step in range(12):
        at = np.random.default_rng(step).permutation(24)[:8]
        losses_of = [float(each.train_step(at, 0.05, step, step // 3).loss) for each in (one, other)]
        assert losses_of[0] == pytest.approx(losses_of[1], rel=1e-11)


def test_samples_outside_memory_are_augmented_too() -> None:
    """Pixels that are read when they are needed, as of a folder of images."""

    class Lazy:
        def __init__(self, images: Array) -> None:
            self.images, self.shape, self.dtype = images, images.shape, images.dtype

        def __len__(self) -> int:
            return len(self.images)

        def __getitem__(self, at: Any) -> Array:
            return self.images[at]

    setup = setup_of()
    assert setup.train is not None
    lazy = dataclasses.replace(setup.train, inputs=Lazy(np.asarray(setup.train.inputs)))  # type: ignore[arg-type]
    at = np.array([5, 1, 9])
    for name in ("torch", "scratch"):
        found, expected = (
            engine_of(name, setup_of(train=train)).train_step(at, 0.0, 0, 7) for train in (lazy, setup.train)
        )
        assert float(found.loss) == float(expected.loss)


@ENGINES
def test_shift_out_of_sight_is_refused(engine: str) -> None:
    with pytest.raises(UsageError, match="a shift of 8 pixels would move images of 8×8 out of sight"):
        engine_of(engine, setup_of(augment=(augmentations.parse({"name": "shift", "pixels": 8}),)))


def test_augmentations_are_written_out_and_compared(laboratory: Any) -> None:
    config = laboratory.config("digits", {"train.augment": ["shift", {"name": "shift", "pixels": 1}]})
    assert config.plain()["train"]["augment"] == [
        {"name": "shift", "pixels": 2, "padding": "black"},
        {"name": "shift", "pixels": 1, "padding": "black"},
    ]
    assert laboratory.config("digits").plain()["train"]["augment"] == []


def test_images_are_needed(laboratory: Any) -> None:
    with pytest.raises(ConfigError, match=r"train\.augment\.0: 'shift' needs image data; 'blobs' has vector data"):
        load_config(laboratory.file("blobs"), {"train.augment": ["shift"]})


@ENGINES
def test_learns_what_lies_elsewhere(laboratory: Any, engine: str) -> None:
    """A run with shifts goes through, and repeats."""
    changes = {"train.augment": [{"name": "shift", "pixels": 1}], "engine": engine, "train.epochs": 2}
    one, other = (laboratory.run(laboratory.config("digits", changes)) for _ in range(2))
    assert one.step_losses().tolist() == other.step_losses().tolist()
    plain = laboratory.run(laboratory.config("digits", {**changes, "train.augment": []}))
    assert one.step_losses().tolist() != plain.step_losses().tolist()
