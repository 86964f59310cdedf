"""A trained model as a program of torch.export: from raw samples to class probabilities, with nothing around it."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from clfkit.data.bundle import FloatArray
from clfkit.engines.base import Arrays, EngineSetup
from clfkit.engines.pytorch.engine import TorchEngine
from clfkit.errors import ModelError
from clfkit.losses import Loss
from clfkit.wording import first_line


class Whole(nn.Module):
    """Raw samples (N, …) → class probabilities (N, K) in float32: all that the engine's `predict` does to a batch."""

    def __init__(self, engine: TorchEngine) -> None:
        super().__init__()
        self.normalize = engine.normalize
        self.model = engine.model.eval().requires_grad_(False)
        self.model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self._loss: Loss = engine.loss

    def forward(self, samples: Tensor) -> Tensor:
        """samples: pixels 0 to 255 as uint8, or features as float64."""
        logits: Tensor = self.model(self.normalize.standardized(samples))
        return self._loss.probabilities(logits).float()


def traced(setup: EngineSetup, model: Arrays, samples: npt.NDArray[Any]) -> ExportedProgram:
    """The model with these weights as a program for batches of any size; `samples`, two or more, are for a trial.

    Raises ModelError for a network that runs only as Python, CheckpointError for weights that do not fit.
    """
    engine = TorchEngine(setup)
    engine.load_state(model)
    batch = ({0: Dim("batch", min=1)},)
    try:
        with torch.no_grad(), _silence():
            program = torch.export.export(Whole(engine), (torch.from_numpy(samples),), dynamic_shapes=batch)
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"model {setup.model.name!r} cannot be exported: {first_line(error)}") from error
    program.example_inputs = None  # else torch would pickle them into the file
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # lines of this program, with the folders of this machine
    return program


def as_bytes(program: ExportedProgram) -> bytes:
    """The content of a .pt2 file: a zip of raw weights and JSON. Raises ModelError where it could not be that alone."""
    content = io.BytesIO()
    try:
        torch.export.save(program, content)
    except RuntimeError as error:
        raise ModelError(f"the model cannot be written as a program of torch: {first_line(error)}") from error
    if pickled := list_pickled(content):
        raise ModelError(f"the model cannot be written without a pickle, which loading would run: {pickled[0]}")
    return content.getvalue()


def list_pickled(file: Path | io.BytesIO) -> list[str]:
    """Names of what `torch.export.load` would unpickle of a .pt2 file."""
    found = []
    with zipfile.ZipFile(file) as parts:
        for part in parts.infolist():
            if "/sample_inputs/" in part.filename and part.file_size:
                found.append(part.filename)
            elif part.filename.endswith(("_weights_config.json", "_constants_config.json")):
                entries = json.loads(parts.read(part))["config"]
                found += [name for name, entry in entries.items() if entry["use_pickle"]]
    return found


def loaded(path: Path) -> Callable[[npt.NDArray[Any]], FloatArray]:
    """A .pt2 file that was written here as a function: raw samples (N, …) → class probabilities (N, K)."""
    with path.open("rb") as file:
        module = torch.export.load(file).module()

    def probabilities(samples: npt.NDArray[Any]) -> FloatArray:
        with torch.inference_mode():
            answer: FloatArray = module(torch.from_numpy(np.ascontiguousarray(samples))).numpy()
        return answer

    return probabilities


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep torch from printing the network's graph and warnings beside the error that it raises."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
