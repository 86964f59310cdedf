"""Backbone weights from files: what fits is loaded, anything else is refused with a reason."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from clfkit.components import backbones
from clfkit.data.bundle import ClassMap, DataSpec
from clfkit.errors import ModelError
from clfkit.vision import torchvision

SPEC = DataSpec(inputs="image", shape=(3, 32, 32), mean=(0.0,) * 3, std=(1.0,) * 3, classes=ClassMap(names=("a", "b")))


def load(path: Path) -> nn.Module:
    component = backbones.parse({"name": "squeezenet1_1", "weights": str(path)})
    network: nn.Module = backbones.build(component, SPEC)
    return network


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """The state dict of a whole network."""
    return dict(torchvision().models.get_model("squeezenet1_1", weights=None).state_dict())


WRITERS: dict[str, Callable[[Any, Path], None]] = {".safetensors": save_file, ".pth": torch.save}


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("classifier", ["own", "another size", "none"])
def test_weights_are_loaded(state: dict[str, torch.Tensor], tmp_path: Path, suffix: str, classifier: str) -> None:
    given = {name: tensor for name, tensor in state.items() if classifier != "none" or "classifier" not in name}
    if classifier == "another size":
        given["classifier.1.weight"] = torch.zeros(7, 512, 1, 1)
    WRITERS[suffix](given, tmp_path / f"weights{suffix}")
    loaded = load(tmp_path / f"weights{suffix}").state_dict()
    assert len(loaded) == sum("classifier" not in name for name in state)
    assert all(torch.equal(tensor, state[name.removeprefix("body.")]) for name, tensor in loaded.items())


@pytest.mark.parametrize("suffix", WRITERS)
def test_weights_of_another_shape_are_refused(state: dict[str, torch.Tensor], tmp_path: Path, suffix: str) -> None:
    WRITERS[suffix]({**state, "features.0.weight": torch.zeros(64, 1, 3, 3)}, tmp_path / f"weights{suffix}")
    with pytest.raises(ModelError, match=r"lack or misshape 1 tensors, first 'features\.0\.weight'"):
        load(tmp_path / f"weights{suffix}")


@pytest.mark.parametrize("suffix", WRITERS)
def test_weights_of_another_network_are_refused(tmp_path: Path, suffix: str) -> None:
    WRITERS[suffix]({"layer.weight": torch.zeros(1)}, tmp_path / f"weights{suffix}")
    with pytest.raises(ModelError, match="lack or misshape 50 tensors"):
        load(tmp_path / f"weights{suffix}")


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, protocol=2))])
def test_pickles_are_not_run(tmp_path: Path, write: Callable[[Any, Path], None]) -> None:
    write({"features.0.weight": Bomb(tmp_path / "exploded")}, tmp_path / "weights.pth")
    with pytest.raises(ModelError, match="cannot be read") as refused:
        load(tmp_path / "weights.pth")
    assert not (tmp_path / "exploded").exists()
    assert "\n" not in str(refused.value)
    assert "weights_only" not in str(refused.value)


def save_list(path: Path) -> None:
    torch.save([torch.zeros(1)], path)


def save_tensor(path: Path) -> None:
    torch.save(torch.zeros(1), path)


def save_numbers(path: Path) -> None:
    torch.save({"features.0.weight": 1.0}, path)


DAMAGED: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "absent": ("weights.pth", lambda path: None),
    "absent safetensors": ("weights.safetensors", lambda path: None),
    "empty": ("weights.pth", lambda path: path.touch()),
    "empty safetensors": ("weights.safetensors", lambda path: path.touch()),
    "text": ("weights.pth", lambda path: path.write_text("hello")),
    "text safetensors": ("weights.safetensors", lambda path: path.write_text("hello, world")),
    "folder": ("weights.pth", lambda path: path.mkdir()),
    "folder safetensors": ("weights.safetensors", lambda path: path.mkdir()),
    "zip": ("weights.pth", lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100))),
    "list": ("weights.pth", save_list),
    "tensor": ("weights.pth", save_tensor),
    "numbers": ("weights.pth", save_numbers),
}


@pytest.mark.parametrize(("name", "write"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_files_are_refused(tmp_path: Path, name: str, write: Callable[[Path], Any]) -> None:
    write(tmp_path / name)
    with pytest.raises(ModelError, match=r"squeezenet1_1.*weights"):
        load(tmp_path / name)
