"""The same samples in the same batches wherever they lie and whoever reads them; and no global generator moves."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trials import draw_photos

from clfkit import rng
from clfkit.data.batches import Batches
from clfkit.data.prefetch import Prefetch

PLACES: dict[str, dict[str, Any]] = {
    "resident": {"data.memory": 9, "train.resident": True},
    "in memory": {"data.memory": 9, "train.resident": False},
    "cached": {"data.memory": 1, "data.cache": "kept"},
    "cached, then read": {"data.memory": 9, "data.cache": "kept"},
    "streamed": {"data.memory": 1},
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos")
    draw_photos(path)
    return path


def seen(laboratory: Any, monkeypatch: pytest.MonkeyPatch, engine: str, changes: dict[str, Any]) -> list[str]:
    """A digest of each batch, as the model is given it, in the order of a run of two epochs; and of the last model."""
    module = f"clfkit.engines.{'pytorch' if engine == 'torch' else engine}.feed"
    feed = __import__(module, fromlist=["Feed"]).Feed
    digests, batch = [], feed.batch

    def noted(self: Any, *arguments: Any) -> Any:
        inputs, labels = batch(self, *arguments)
        digests.append(hashlib.sha256(np.asarray(inputs).tobytes() + np.asarray(labels).tobytes()).hexdigest())
        return inputs, labels

    with monkeypatch.context() as patch:
        patch.setattr(feed, "batch", noted)
        run = laboratory.run(laboratory.config("blobs", {"engine": engine, **changes}))
    return [*digests, hashlib.sha256((run.path / "checkpoints/last/model.safetensors").read_bytes()).hexdigest()]


@pytest.mark.fault("A3")
@pytest.mark.parametrize(
    ("engine", "sampling"),
    [
        ("scratch", "natural"),
        pytest.param("torch", "natural", marks=pytest.mark.matrix),
        pytest.param("torch", "balanced", marks=pytest.mark.matrix),
    ],
)
def test_batches_are_the_same_wherever_samples_lie_and_whoever_reads_them(
    laboratory: Any, photos: Path, monkeypatch: pytest.MonkeyPatch, engine: str, sampling: str
) -> None:
    monkeypatch.chdir(laboratory.folder)
    data = {"name": "image_folder", "root": str(photos), "size": 80, "cache": "off"}
    changes = {"data": data, "model": {"name": "mlp", "hidden": [4]}, "train.batch_size": 9, "train.epochs": 2}
    changes |= {"train.augment": ["shift"], "train.sampling": sampling, "baselines": [], "report": False}
    found = {
        (place, workers): seen(laboratory, monkeypatch, engine, {**changes, **where, "train.workers": workers})
        for place, where in PLACES.items()
        for workers in (0, 4)
        if engine == "torch" or (place not in ("resident", "in memory") and workers == 0)
    }
    first = next(iter(found.values()))
    assert len(first) > 10 and len({*first}) > 10
    assert [place for place, digests in found.items() if digests != first] == []


@pytest.fixture
def still() -> Iterator[None]:
    """No global generator moves meanwhile."""
    import torch

    def states() -> tuple[object, ...]:
        name, keys, *places = np.random.get_state()  # noqa: NPY002
        return random.getstate(), name, keys.tobytes(), places, torch.get_rng_state().numpy().tobytes()

    before = states()
    yield
    assert states() == before


class Rows:
    """Samples outside memory."""

    shape, dtype = (40, 1), np.dtype(np.float32)

    def __len__(self) -> int:
        return 40

    def __getitem__(self, indices: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return indices[:, None].astype(np.float32)


@pytest.mark.fault("A4")
@pytest.mark.parametrize("sampling", ["natural", "balanced"])
@pytest.mark.parametrize("workers", [0, 4])
@pytest.mark.parametrize("used", [0, 2, 99], ids=["only made", "left midway", "used up"])
def test_iterators_move_no_global_generator(still: None, used: int, workers: int, sampling: str) -> None:
    batches = Batches.of(40, 7, 3, sampling=sampling, labels=np.arange(40) % 3)
    inputs = Prefetch(Rows(), workers)
    ahead = inputs.ahead(indices for _, indices in batches.epoch(1))
    for _, indices in zip(range(used), ahead, strict=False):
        assert inputs[indices][:, 0].tolist() == indices.tolist()
    ahead.close()  # type: ignore[attr-defined]
    assert rng.Streams(5, np.arange(3)).uniform(2).shape == (3, 2)


@pytest.mark.fault("A4")
@pytest.mark.parametrize("engine", ["scratch", pytest.param("torch", marks=pytest.mark.matrix)])
def test_a_run_moves_no_global_generator(still: None, laboratory: Any, engine: str) -> None:
    changes = {"engine": engine, "train.epochs": 2, "baselines": [], "report": False}
    laboratory.run(laboratory.config("blobs", changes))


@pytest.mark.fault("A4")
@given(
    samples=st.integers(1, 60), size=st.integers(1, 20), seed=st.integers(0, 2**40),
    places=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 59)), max_size=5),
    sampling=st.sampled_from(["natural", "balanced", "square_root"]),
)  # fmt: skip
def test_a_batch_is_a_function_of_seed_epoch_and_position_alone(
    samples: int, size: int, seed: int, places: list[tuple[int, int]], sampling: str
) -> None:
    """Whatever was asked for before, and by whichever object."""
    labels = np.arange(samples) % 3
    batches = Batches.of(samples, size, seed, sampling=sampling, labels=labels)
    for epoch, place in places:
        fresh, position = Batches.of(samples, size, seed, sampling=sampling, labels=labels), place % batches.per_epoch
        whole = [indices.tolist() for _, indices in fresh.epoch(epoch)]
        found, indices = next(iter(batches.epoch(epoch, position)))
        assert (found, indices.tolist()) == (position, whole[position])
        assert batches.look(epoch, position) == fresh.look(epoch, position)


@pytest.mark.fault("A4")
@given(st.lists(st.tuples(st.integers(0, 2**62), st.sampled_from(["a", "b", "ab"]), st.integers(0, 99)), max_size=6))
def test_streams_do_not_depend_on_each_other(places: list[tuple[int, str, int]]) -> None:
    """Generators that are used in turn draw what each draws alone."""
    together = [rng.generator(*place) for place in places]
    drawn = [[generator.integers(0, 2**32) for generator in together] for _ in range(3)]
    for place, numbers in zip(places, zip(*drawn, strict=True), strict=True):
        alone = rng.generator(*place)
        assert [alone.integers(0, 2**32) for _ in range(3)] == [*numbers]
