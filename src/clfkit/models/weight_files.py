"""Files with a network's weights: read without running anything of theirs, and compared before anything is copied."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from clfkit.errors import ModelError
from clfkit.wording import first_line, printable

if TYPE_CHECKING:
    from torch import Tensor, nn

TORCH = (".pth", ".pt")
NESTS = ("state_dict", "model_state_dict", "model")
"""Keys under which training programs keep the state dict beside their own state."""

OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")
WRAPPED = "module."
"""What torch's DataParallel and DistributedDataParallel put before every name."""


def load_weights(network: nn.Module, path: Path, culprit: str, classifiers: tuple[str, ...]) -> None:
    """Copy a state dict into a network without its classifier, all of it or nothing.

    classifiers: first parts of names that a file may hold beside the network's own; they are left out, whatever size
    they have, and `network.weights_note` says so. A count of batches, which old files lack, may be missing. `culprit`
    begins every message. Raises ModelError for a file that cannot be read, or has other tensors.
    """
    culprit = f"{culprit}: weights {printable(str(path), None)}"
    state = _state_dict(path, culprit)
    expected = network.state_dict()
    wrong = [name for name, own in expected.items() if not _fits(state.get(name), own, name)]
    if wrong:
        raise ModelError(f"{culprit} lack or misshape {len(wrong)} tensors, first {wrong[0]!r}")
    others = [name for name in state if name not in expected]
    foreign = [name for name in others if name.split(".")[0] not in classifiers]
    if foreign:
        first = printable(foreign[0])
        raise ModelError(
            f"{culprit} are of another network: {len(foreign)} tensors more than this one, first '{first}'"
        )
    network.load_state_dict({name: state[name] for name in expected if name in state}, strict=False)
    left_out = sorted({name.split(".")[0] for name in others})
    network.weights_note = path.name + (f", without its {' and '.join(left_out)}" if left_out else "")  # type: ignore[assignment]


def load_published(network: nn.Module, weights: Any, culprit: str) -> None:
    """Load the weights that torchvision publishes into a whole network, downloaded unless they lie in torch's folder.

    weights: a member of one of torchvision's enums. Nothing in the file is run; a download must have the hash in its
    name. `culprit` begins every message. Raises ModelError for a file that cannot be had or read.
    """
    import torch

    with _readable(f"{culprit}: weights default ({weights.url}, kept in {torch.hub.get_dir()}/checkpoints)"):
        state = weights.get_state_dict(check_hash=True, weights_only=True)
        for name in list(state):  # in place, since `_metadata` of the mapping tells how old the file is
            state[_modern(name)] = state.pop(name)
        network.load_state_dict(state)


def weights_notes(network: nn.Module) -> list[str]:
    """What was loaded into the parts of a network, and what was left out of it: one line a file."""
    return [module.weights_note for module in network.modules() if isinstance(vars(module).get("weights_note"), str)]  # type: ignore[misc]


def _fits(given: object, own: Tensor, name: str) -> bool:
    import torch

    if given is None:
        return name.endswith("num_batches_tracked")
    plain = isinstance(given, torch.Tensor) and given.layout == torch.strided and given.device.type == "cpu"
    return plain and given.shape == own.shape and given.is_floating_point() == own.is_floating_point()  # type: ignore[attr-defined]


def _state_dict(path: Path, culprit: str) -> dict[str, Any]:
    if path.suffix != ".safetensors" and path.suffix not in TORCH:
        raise ModelError(f"{culprit}: only .safetensors, .pth and .pt files are read")
    with _readable(culprit):
        return _unwrapped(_read_torch(path, culprit) if path.suffix in TORCH else _read_safetensors(path), culprit)


@contextmanager
def _readable(culprit: str) -> Iterator[None]:
    """Whatever is raised for a file that is absent, damaged or more than tensors, as ModelError."""
    try:
        yield
    except UnpicklingError:
        reason = "there is more in it than tensors, and nothing of it is run"
        raise ModelError(f"{culprit} cannot be read: {reason}") from None
    except (RuntimeError, OSError, EOFError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{culprit} cannot be read: {_refusal(error)}") from None


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(_refusal(error)) from None


def _read_torch(path: Path, culprit: str) -> object:
    """What torch.save wrote as a zip file, with nothing in it but tensors and plain values; they stay on the disk."""
    import torch

    if path.is_file() and not zipfile.is_zipfile(path):
        raise ModelError(f"{culprit} cannot be read: not a zip file, as torch.save writes since torch 1.6")
    with zipfile.ZipFile(path) as parts:
        if sum(part.file_size for part in parts.infolist()) > path.stat().st_size:
            raise ModelError(f"{culprit} cannot be read: its parts are compressed, which torch.save never does")
    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def _unwrapped(state: object, culprit: str) -> dict[str, Any]:
    """The state dict in what a training program saved, without the prefix of a parallel one."""
    for key in NESTS:
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
            break
    if not isinstance(state, Mapping) or not state or not all(isinstance(name, str) for name in state):
        raise ModelError(f"{culprit} hold no state dict")
    if all(name.startswith(WRAPPED) for name in state):
        state = {name.removeprefix(WRAPPED): value for name, value in state.items()}
    return {_modern(name): value for name, value in state.items()}


def _modern(name: str) -> str:
    """The name that a tensor has today: those of the published DenseNets are older than torch's rule against dots."""
    return OLD_DENSENET.sub(r"\1\2", name)


def _refusal(error: BaseException) -> str:
    """torch's refusal goes on for a page about how to trust the file all the same."""
    return printable(first_line(error), 200)
