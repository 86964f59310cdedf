"""Whether the arrays of a checkpoint are those of a model and its optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from clfkit.engines.base import Arrays
from clfkit.errors import CheckpointError


def check_fit(arrays: Arrays, model: Mapping[str, tuple[tuple[int, ...], str]]) -> None:
    """Compare names, shapes and kinds with those of a model's own arrays, {name: (shape, dtype)}.

    Raises CheckpointError naming the first that do not fit. Any float type fits any other.
    """
    shared = [name for name in model if name in arrays]
    wrong = [
        *(f"{name!r} is missing" for name in model if name not in arrays),
        *(f"{name!r} is not in the model" for name in arrays if name not in model),
        *(
            f"{name!r} has shape {arrays[name].shape}, the model {model[name][0]}"
            for name in shared
            if arrays[name].shape != model[name][0]
        ),
        *(
            f"{name!r} holds {arrays[name].dtype}, the model {model[name][1]}"
            for name in shared
            if (arrays[name].dtype.kind == "f") != ("float" in model[name][1])
        ),
    ]
    if wrong:
        raise CheckpointError(f"the weights are those of another model: {'; '.join(wrong[:3])}")


def parameter_of(key: str, array: npt.NDArray[Any], shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, str]:
    """The parameter and the entry that an array of an optimizer's state belongs to, from its key `parameter/entry`.

    shapes: those of the model's parameters. Raises CheckpointError for an array that is of none of them.
    """
    name, _, entry = key.rpartition("/")
    if name not in shapes:
        raise CheckpointError(f"the optimizer state is that of another model: {name!r} is not in this one")
    if array.shape not in (shapes[name], ()):
        raise CheckpointError(
            f"the optimizer state is that of another model: {key!r} has shape {array.shape}, the model {shapes[name]}"
        )
    return name, entry
