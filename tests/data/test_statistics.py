"""Means and deviations of awkward features, and what standardisation makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from clfkit.components import datasets
from clfkit.data.bundle import ClassMap, DataSpec
from clfkit.data.files import read_samples
from clfkit.data.loading import load_bundle
from clfkit.data.statistics import check_range, levels_of, measure
from clfkit.engines.pytorch.feed import Normalizer
from clfkit.errors import DataError

CPU = torch.device("cpu")


def spec_of(mean: tuple[float, ...], std: tuple[float, ...], shape: tuple[int, ...]) -> DataSpec:
    kind = "image" if len(shape) == 3 else "vector"
    classes = ClassMap(names=("a", "b"))
    return DataSpec.model_validate({"inputs": kind, "shape": shape, "classes": classes, "mean": mean, "std": std})


@pytest.mark.parametrize("shape", [(230, 3, 4, 5), (3, 3, 5, 5), (101, 3, 1, 1)])
def test_levels_of_colour_images(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    expected = [np.bincount(images[:, channel].ravel(), minlength=256) for channel in range(3)]
    assert np.array_equal(levels_of(images), expected)


def test_levels_of_many_large_images_come_from_some_of_their_rows() -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 1, 1250, 1000), dtype=np.uint8)
    levels = levels_of(images)
    assert levels.sum() == 40 * 313 * 1000
    assert np.array_equal(levels[0], np.bincount(images[:, :, ::4].ravel(), minlength=256))


def test_only_constant_features_and_channels_get_deviation_one() -> None:
    values = np.array([[0.1, 1e-12, 1.7e9], [0.1, 3e-12, 1.7e9 + 2], [0.1, 2e-12, 1.7e9 + 1]])
    mean, std = measure(values, ("a", "b", "c"))
    assert mean[0] == 0.1
    np.testing.assert_allclose(std, [1, values[:, 1].std(), values[:, 2].std()])
    images = np.full((5, 2, 3, 3), 7, np.uint8)
    images[0, 1] = 9
    assert measure(images, ())[1][0] == 1.0 != measure(images, ())[1][1]


@pytest.mark.parametrize("values", [[1e200, -1e200], [1e308, 1.5e308], [0.0, 1e-200]])
def test_features_that_cannot_be_measured_are_named(values: list[float]) -> None:
    with pytest.raises(DataError, match="column 'b': its numbers are too large, or too close together"):
        measure(np.array([[0.0, 1.0], values]).T, ("a", "b"))
    with pytest.raises(DataError, match="feature 1: "):
        measure(np.array([[0.0, 1.0], values]).T, ())


def test_values_beyond_float32_once_standardised_are_named() -> None:
    values = np.array([[0.0, 0.0], [0.0, -1e30]])
    check_range(values, (0.0, 0.0), (1.0, 1.0), (), str)
    with pytest.raises(DataError, match=r"1: -1e\+30 in column 'b' is too far"):
        check_range(values, (0.0, 0.0), (1.0, 1e-10), ("a", "b"), str)


@pytest.mark.parametrize(("offset", "scale"), [(1.7e9, 1.0), (0.0, 1e-10), (0.0, 1e30)])
def test_tables_are_standardised_exactly(offset: float, scale: float, tmp_path: Path) -> None:
    steps = np.arange(-50, 50) * scale
    file = tmp_path / "t.csv"
    file.write_text("t,label\n" + "".join(f"{offset + step!r},{'ab'[step > 0]}\n" for step in steps.tolist()))
    bundle = load_bundle(datasets.parse({"name": "table", "root": str(file)}), seed=0)
    normalize = Normalizer(bundle.spec, CPU)
    standard = normalize(torch.from_numpy(np.asarray(bundle.train.inputs)))
    assert standard.dtype == torch.float32
    expected = (steps[bundle.train.ids.astype(int)] - steps[bundle.train.ids.astype(int)].mean()) / scale
    np.testing.assert_allclose(standard[:, 0].numpy(), expected / expected.std(), rtol=1e-5, atol=1e-5)
    predicted = normalize(torch.from_numpy(np.asarray(read_samples([file], bundle.spec)[0])))
    assert torch.equal(predicted[torch.from_numpy(bundle.train.ids.astype(np.int64))], standard)


def test_pixels_are_standardised_in_float32_as_ever() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    expected = (pixels.float() - torch.tensor(33.3184)) * torch.tensor(1 / 78.5675, dtype=torch.float32)
    assert torch.equal(Normalizer(spec_of((33.3184,), (78.5675,), (1, 16, 16)), CPU)(pixels), expected)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["1,a", "2,b", "1e39,a"], r"t\.csv:4: '1e39' in column 'n' is too large"),
        (["0,a", "1e-200,b", "2e-200,a"], "column 'n': its numbers are .* too close together"),
    ],
)
def test_tables_out_of_range_are_refused(rows: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("\n".join(["n,label", *rows]) + "\n")
    data = {"name": "table", "root": str(tmp_path / "t.csv"), "split": {"valid": 0, "test": 0}}
    with pytest.raises(DataError, match=message):
        load_bundle(datasets.parse(data), seed=0)


def test_new_rows_out_of_range_are_refused_with_their_line(tmp_path: Path) -> None:
    spec = spec_of((0.0,), (1e-10,), (1,)).model_copy(update={"feature_names": ("n",)})
    (tmp_path / "t.csv").write_text("n\n1\n1e30\n")
    with pytest.raises(DataError, match=r"t\.csv:3: 1e\+30 in column 'n' is too far"):
        read_samples([tmp_path / "t.csv"], spec)
    np.savez(tmp_path / "t.npz", x=np.array([[1.0], [1e30]]))
    with pytest.raises(DataError, match=r"t\.npz: sample 1: 1e\+30 in column 'n' is too far"):
        read_samples([tmp_path / "t.npz"], spec)
