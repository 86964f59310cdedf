"""Backbone weights from files: what fits is loaded, anything else is refused with a reason."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from clfkit.components import backbones
from clfkit.data.bundle import ClassMap, DataSpec
from clfkit.errors import ModelError
from clfkit.models.weight_files import weights_notes
from clfkit.vision import torchvision

SPEC = DataSpec(inputs="image", shape=(3, 32, 32), mean=(0.0,) * 3, std=(1.0,) * 3, classes=ClassMap(names=("a", "b")))


def load(path: Path | str, name: str = "squeezenet1_1") -> nn.Module:
    component = backbones.parse({"name": name, "weights": str(path)})
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


@pytest.mark.parametrize("suffix", [".pth", ".pt", "", ".safetensors"])
@pytest.mark.parametrize(
    "write",
    [
        torch.save,
        lambda value, path: torch.save(value, path, _use_new_zipfile_serialization=False),
        lambda value, path: path.write_bytes(pickle.dumps(value, protocol=2)),
    ],
    ids=["zip", "old", "pickle"],
)
def test_nothing_in_a_file_is_run(tmp_path: Path, write: Callable[[Any, Path], None], suffix: str) -> None:
    write({"features.0.weight": Bomb(tmp_path / "exploded")}, tmp_path / f"weights{suffix}")
    reason = r"only \.safetensors, \.pth and \.pt files are read" if suffix == "" else "cannot be read"
    with pytest.raises(ModelError, match=reason) as refused:
        load(tmp_path / f"weights{suffix}")
    assert not (tmp_path / "exploded").exists()
    assert "\n" not in str(refused.value)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torch keeps what it has downloaded; nothing is downloaded here."""

    def refuse(url: str, *_: object, **__: object) -> None:
        raise OSError(f"no way to {url}")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    checkpoints = tmp_path / "hub/checkpoints"
    checkpoints.mkdir(parents=True)
    return checkpoints


def published(folder: Path, name: str) -> Path:
    weights = torchvision().models.get_model_weights(name).DEFAULT
    return folder / str(weights.url).rpartition("/")[2]


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_torchs_own_folder_is_run(folder: Path, tmp_path: Path, zipped: bool) -> None:
    bomb = {"features.0.weight": Bomb(tmp_path / "exploded")}
    torch.save(bomb, published(folder, "squeezenet1_1"), _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match=r"squeezenet1_1.*default.*more in it than tensors, and nothing of it is run"):
        load("default")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("name", "zipped"), [("squeezenet1_1", False), ("googlenet", True), ("densenet121", True), ("mnasnet0_5", True)]
)
def test_published_weights_are_loaded(folder: Path, name: str, zipped: bool) -> None:
    options = {"aux_logits": True, "init_weights": False} if name == "googlenet" else {}
    whole = torchvision().models.get_model(name, weights=None, **options).state_dict()
    given = copy(whole)
    for key in whole:  # as the published DenseNets have them
        given[re.sub(r"(norm|conv)([12])\.", r"\1.\2.", key) if "denselayer" in key else key] = given.pop(key)
    torch.save(given, published(folder, name), _use_new_zipfile_serialization=zipped)
    loaded = load("default", name).state_dict()
    assert loaded and all(torch.equal(tensor, whole[key.removeprefix("body.")]) for key, tensor in loaded.items())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: no way to https://.*squeezenet1_1"),
        (b"", "cannot be read: "),
        ({}, "cannot be read: Error"),
    ],
)
def test_published_weights_that_cannot_be_had_are_refused(folder: Path, content: Any, reason: str) -> None:
    if isinstance(content, bytes):
        published(folder, "squeezenet1_1").write_bytes(content)
    elif content is not None:
        torch.save(content, published(folder, "squeezenet1_1"))
    with pytest.raises(ModelError, match=rf"squeezenet1_1.*{reason}") as refused:
        load("default")
    assert "\n" not in str(refused.value)


NESTED: dict[str, Callable[[dict[str, torch.Tensor]], Any]] = {
    "plain": lambda state: state,
    "of a training program": lambda state: {"epoch": 3, "optimizer": {}, "state_dict": state},
    "model": lambda state: {"model": state},
    "parallel": lambda state: {"model": {f"module.{name}": tensor for name, tensor in state.items()}},
}


@pytest.mark.parametrize("suffix", [".pth", ".pt"])
@pytest.mark.parametrize("nest", NESTED.values(), ids=NESTED)
def test_state_dicts_of_torch_are_loaded(
    state: dict[str, torch.Tensor], tmp_path: Path, nest: Callable[[dict[str, torch.Tensor]], Any], suffix: str
) -> None:
    torch.save(nest(state), tmp_path / f"weights{suffix}")
    network = load(tmp_path / f"weights{suffix}")
    assert weights_notes(network) == [f"weights{suffix}, without its classifier"]
    loaded = network.state_dict()
    assert all(torch.equal(tensor, state[name.removeprefix("body.")]) for name, tensor in loaded.items())
    (tmp_path / f"weights{suffix}").write_bytes(b"")  # nothing of the network lies in the file any more
    assert torch.equal(loaded["body.features.0.bias"], state["features.0.bias"])


def test_a_larger_network_is_not_half_loaded(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save({**state, "layer9.weight": torch.zeros(1)}, tmp_path / "weights.pth")
    with pytest.raises(ModelError, match=r"of another network: 1 tensors more than this one, first 'layer9\.weight'"):
        load(tmp_path / "weights.pth")


@pytest.mark.parametrize("value", [[], {}, {"model": {}}, {3: torch.zeros(1)}, torch.zeros(2)])
def test_what_is_no_state_dict_is_refused(tmp_path: Path, value: Any) -> None:
    torch.save(value, tmp_path / "weights.pth")
    with pytest.raises(ModelError, match="hold no state dict"):
        load(tmp_path / "weights.pth")


@pytest.mark.parametrize("wrong", [3.5, torch.zeros(96, 3, 3, 3).to_sparse(), torch.zeros(64, dtype=torch.int64)])
def test_what_is_no_plain_tensor_is_not_copied(state: dict[str, torch.Tensor], tmp_path: Path, wrong: Any) -> None:
    torch.save({**state, "features.0.bias": wrong}, tmp_path / "weights.pth")
    with pytest.raises(ModelError, match=r"lack or misshape 1 tensors, first 'features\.0\.bias'"):
        load(tmp_path / "weights.pth")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_files_of_torch_that_were_cut_off_are_refused(
    state: dict[str, torch.Tensor], tmp_path: Path, share: float
) -> None:
    torch.save(state, tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "weights.pth").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelError, match="cannot be read"):
        load(tmp_path / "weights.pth")


DAMAGED: dict[str, Callable[[Path], Any]] = {
    "absent": lambda path: None,
    "empty": lambda path: path.touch(),
    "text": lambda path: path.write_text("hello, world"),
    "folder": lambda path: path.mkdir(),
    "zip": lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)),
}


@pytest.mark.parametrize("write", DAMAGED.values(), ids=DAMAGED)
def test_damaged_files_are_refused(tmp_path: Path, write: Callable[[Path], Any]) -> None:
    for suffix in (".safetensors", ".pth"):
        write(tmp_path / f"weights{suffix}")
        with pytest.raises(ModelError, match=r"squeezenet1_1.*weights.*cannot be read"):
            load(tmp_path / f"weights{suffix}")
