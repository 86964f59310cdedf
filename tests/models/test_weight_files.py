"""Backbone weights from files: what fits is loaded, anything else is refused with a reason."""

from __future__ import annotations

import pickle
import shlex
import subprocess
import sys
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


@pytest.mark.parametrize("classifier", ["own", "another size", "none"])
def test_weights_are_loaded(state: dict[str, torch.Tensor], tmp_path: Path, classifier: str) -> None:
    given = {name: tensor for name, tensor in state.items() if classifier != "none" or "classifier" not in name}
    if classifier == "another size":
        given["classifier.1.weight"] = torch.zeros(7, 512, 1, 1)
    save_file(given, tmp_path / "weights.safetensors")
    loaded = load(tmp_path / "weights.safetensors").state_dict()
    assert len(loaded) == sum("classifier" not in name for name in state)
    assert all(torch.equal(tensor, state[name.removeprefix("body.")]) for name, tensor in loaded.items())


def test_weights_of_another_shape_are_refused(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    save_file({**state, "features.0.weight": torch.zeros(64, 1, 3, 3)}, tmp_path / "weights.safetensors")
    with pytest.raises(ModelError, match=r"lack or misshape 1 tensors, first 'features\.0\.weight'"):
        load(tmp_path / "weights.safetensors")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"layer.weight": torch.zeros(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(ModelError, match="lack or misshape 50 tensors"):
        load(tmp_path / "weights.safetensors")


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, protocol=2))])
@pytest.mark.parametrize("suffix", [".pth", ".pt", "", ".safetensors"])
def test_pickles_are_not_read(tmp_path: Path, write: Callable[[Any, Path], None], suffix: str) -> None:
    write({"features.0.weight": Bomb(tmp_path / "exploded")}, tmp_path / f"weights{suffix}")
    reason = "cannot be read" if suffix == ".safetensors" else r"only \.safetensors files are read"
    with pytest.raises(ModelError, match=reason) as refused:
        load(tmp_path / f"weights{suffix}")
    assert not (tmp_path / "exploded").exists()
    assert "\n" not in str(refused.value)


def test_the_conversion_that_is_offered_works(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(ModelError) as refused:
        load(tmp_path / "x.pth")
    command = shlex.split(str(refused.value).split("into one by: ")[1])
    assert command.pop(0) == "python"
    subprocess.run([sys.executable, *command], cwd=tmp_path, check=True, timeout=120)
    assert torch.equal(load(tmp_path / "x.safetensors").state_dict()["body.features.0.bias"], state["features.0.bias"])


DAMAGED: dict[str, Callable[[Path], Any]] = {
    "absent": lambda path: None,
    "empty": lambda path: path.touch(),
    "text": lambda path: path.write_text("hello, world"),
    "folder": lambda path: path.mkdir(),
    "zip": lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)),
}


@pytest.mark.parametrize("write", DAMAGED.values(), ids=DAMAGED)
def test_damaged_files_are_refused(tmp_path: Path, write: Callable[[Path], Any]) -> None:
    write(tmp_path / "weights.safetensors")
    with pytest.raises(ModelError, match=r"squeezenet1_1.*weights.*cannot be read"):
        load(tmp_path / "weights.safetensors")
