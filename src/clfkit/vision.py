"""The only place that imports torchvision, which it makes work beside a CPU-only torch."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# The operators to which `torchvision/_meta_registrations.py` gives a fake kernel whether or not they exist. The
# schemas are those of torchvision's C++ source: csrc/ops/nms.cpp, csrc/ops/quantized/cpu/qnms_kernel.cpp.
SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


@cache
def torchvision() -> ModuleType:
    """The torchvision package, imported; models, transforms and dataset readers work on any torch.

    torchvision's usual wheel is built against CUDA torch. Beside a CPU-only torch its compiled operators do
    not load, and plain `import torchvision` fails with "operator torchvision::nms does not exist". Where that
    is so, the operators' schemas are declared first; the operators themselves (which serve detection, not
    classification) stay unusable.

    Raises ImportError when torchvision is not installed.
    """
    if not _operators_load():
        _declare(SCHEMAS)
    return importlib.import_module("torchvision")


def jpeg_decoder() -> Callable[[torch.Tensor, str], torch.Tensor]:
    """torchvision's decoder: bytes of a JPEG file, `RGB` or `GRAY` → uint8 (channels, height, width).

    Raises ImportError where torchvision, or its extension for images, does not load.
    """
    torchvision()
    image = importlib.import_module("torchvision.io.image")

    if not image._has_image_ops():
        raise ImportError("whose extension for images does not load beside this torch")

    def decode(content: torch.Tensor, mode: str) -> torch.Tensor:
        pixels: torch.Tensor = image.decode_jpeg(content, mode)
        return pixels

    return decode


# A library's declarations vanish with its last reference.
_declared: list[torch.library.Library] = []


def _declare(schemas: dict[str, str]) -> None:
    """Add the schemas that torch does not know yet to its operator library "torchvision"."""
    from torch.library import Library

    library = Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    _declared.append(library)
    for name, schema in schemas.items():
        if not _known(name):
            library.define(schema)  # type: ignore[no-untyped-call]


def _known(operator: str) -> bool:
    import torch

    return hasattr(torch.ops.torchvision, operator)


def _operators_load() -> bool:
    """Whether torchvision's compiled operators exist or can be loaded, tried as torchvision itself does."""
    import torch

    if all(map(_known, SCHEMAS)):
        return True
    package = importlib.util.find_spec("torchvision")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("torchvision is not installed")
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        file = Path(package.origin).with_name("_C" + suffix)
        if file.is_file():
            try:
                torch.ops.load_library(file)  # type: ignore[no-untyped-call]
            except OSError:
                return False
            return True
    return False
