"""Random draws of one of several processes, as one process would make them for the batch as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

DROPOUTS = {functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d}
IN_PLACE = {Tensor.bernoulli_, Tensor.normal_, Tensor.uniform_}
ALIKE = {torch.rand_like, torch.randn_like}
SIZED = {torch.rand, torch.randn}
DRAWING = DROPOUTS | IN_PLACE | ALIKE | SIZED


@dataclass(frozen=True)
class Rows:
    """The samples of this process: from `start` to before `stop` of the `whole` that all work through together.

    Each process draws for all samples, from a generator in the same state, and takes what belongs to its own. So a
    sample meets the same numbers in any number of processes, which draw more than they need.

    Numbers belong to samples where the first axis is as long as the samples are many; for dropouts, which are for
    activations, also where it is a multiple of that (windows of images, say). Others are drawn as they are.
    least: samples of the process with the fewest; where that is one, `torch.rand(1)` is taken to mean the batch.
    """

    start: int
    stop: int
    whole: int
    least: int

    def draw(self, function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """What one of the functions in DRAWING returns in one process, for the samples of this one."""
        if not args or options.get("generator") is not None or any(isinstance(each, Tensor) for each in args[1:]):
            return function(*args, **options)
        size = _size(args) if function in SIZED else args[0].shape
        times = self._times(function, size)
        if not times:
            return function(*args, **options)
        rows, whole = slice(self.start * times, self.stop * times), self.whole * times
        if function in DROPOUTS:
            return _dropout(function, rows, whole, *args, **options)
        if function in IN_PLACE:
            return args[0].copy_(function(_longer(args[0], whole), *args[1:], **options)[rows])
        if function in ALIKE:
            return function(_longer(args[0], whole), *args[1:], **options)[rows].clone()
        return function(whole, *size[1:], **options)[rows].clone()

    def _times(self, function: Callable[..., Any], size: Sequence[int]) -> int:
        """How many rows each sample has where so much is drawn; 0 where what is drawn is not of samples."""
        own = self.stop - self.start
        if len(size) and function in DROPOUTS and own:
            return 0 if size[0] % own else size[0] // own
        if function in SIZED and self.least < 2:
            return 0
        return 1 if len(size) and size[0] == own else 0


def _dropout(function: Callable[..., Tensor], rows: slice, whole: int, inputs: Tensor, **options: Any) -> Tensor:
    """The factors that a dropout has for all samples, and those at `rows` multiplied with the inputs."""
    if not options["training"] or not options["p"]:
        return function(inputs, **options)
    factors = function(_longer(inputs.detach(), whole).fill_(1), options["p"], training=True)
    own = factors[rows].clone()  # which backward keeps; the others' are not kept
    return inputs.mul_(own) if options["inplace"] else inputs * own


def _longer(tensor: Tensor, length: int) -> Tensor:
    """An empty tensor like that one but for its length, laid out in memory as it is: there, draws follow that order."""
    axes = sorted(range(tensor.ndim), key=tensor.stride().__getitem__, reverse=True)
    shape = [length if axis == 0 else tensor.shape[axis] for axis in axes]
    return tensor.new_empty(shape).permute([axes.index(axis) for axis in range(tensor.ndim)])


def _size(args: Sequence[Any]) -> Sequence[int]:
    """The size that `torch.rand(2, 3)` or `torch.rand((2, 3))` asks for."""
    return args if len(args) != 1 or isinstance(args[0], int) else args[0]
