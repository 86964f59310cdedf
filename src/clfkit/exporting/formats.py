"""The formats that a trained model is exported in: how a file of each is made, and read again to be checked."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy.typing as npt

from clfkit.data.bundle import FloatArray
from clfkit.errors import ModelError, UsageError
from clfkit.wording import first_line

if TYPE_CHECKING:
    from torch.export import ExportedProgram

FormatName = Literal["torch", "onnx"]
ONNX_LIMIT = 2**31 - 1
"""Bytes that a message of protobuf, which an ONNX file is, may have."""


@dataclass(frozen=True)
class Format:
    """How files of one format are called, made and run.

    content: the file's bytes from a program. loaded: a file as a function, raw samples (N, …) → probabilities (N, K).
    libraries: what they need, whose versions a description names.
    """

    suffix: str
    libraries: tuple[str, ...]
    content: Callable[[ExportedProgram], bytes]
    loaded: Callable[[Path], Callable[[npt.NDArray[Any]], FloatArray]]


def format_called(name: FormatName) -> Format:
    """The format of that name. Raises UsageError when its libraries are not installed."""
    return _torch() if name == "torch" else _onnx()


def _torch() -> Format:
    from clfkit.engines.pytorch.program import as_bytes, loaded

    return Format(".pt2", ("torch",), as_bytes, loaded)


def _onnx() -> Format:
    try:
        import onnx  # noqa: F401, torch needs it to write
        import onnxruntime  # noqa: F401, reads the file again
        import onnxscript  # noqa: F401, torch needs it to translate
    except ImportError as error:
        raise UsageError(
            f"--format onnx needs the library {error.name}, which is not installed: pip install clfkit[onnx]"
        ) from None
    return Format(".onnx", ("torch", "onnx", "onnxscript", "onnxruntime"), _onnx_content, _onnx_loaded)


def _onnx_content(program: ExportedProgram) -> bytes:
    from torch.onnx import OnnxExporterError, export

    size = sum(tensor.nbytes for tensor in program.state_dict.values())
    if size > ONNX_LIMIT:
        raise ModelError(f"the model takes {size:,} bytes, and an ONNX file holds 2 GB; --format torch has no limit")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own exporter uses what torch has deprecated
            made = export(
                program, (), dynamo=True, verbose=False, dynamic_shapes=({0: "batch"},),
                input_names=["samples"], output_names=["probabilities"],
            )  # fmt: skip
        assert made is not None, "without a file's name torch returns what it made"
        content: bytes = made.model_proto.SerializeToString()
        return content
    except OnnxExporterError as error:
        reason = first_line(error.__cause__ or error)
        raise ModelError(f"the model cannot be translated to ONNX: {reason}") from error


def _onnx_loaded(path: Path) -> Callable[[npt.NDArray[Any]], FloatArray]:
    from onnxruntime import InferenceSession

    session = InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])

    def probabilities(samples: npt.NDArray[Any]) -> FloatArray:
        answer: FloatArray = session.run(["probabilities"], {"samples": samples})[0]
        return answer

    return probabilities
