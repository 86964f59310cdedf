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

    Numbers belong to samples where the first axis is as long as the samples are many, or a multiple of that (windows of
    images, say). Others are drawn as they are, the same ones in all processes.
    """

    start: int
    stop: int
    whole: int

    def draw(self, function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """What one of the functions in DRAWING returns in one process, for the samples of this one."""
        size = _size(args) if function in SIZED else args[0].shape
        times = self._times(size)
        if not times or options.get("generator") is not None:
            return function(*args, **options)
        rows, whole = slice(self.start * times, self.stop * times), self.whole * times
        if function in DROPOUTS:
            return _dropout(function, rows, whole, *args, **options)
        if function in IN_PLACE:
            return args[0].copy_(function(_longer(args[0], whole), *args[1:], **options)[rows])
        if function in ALIKE:
            return function(_longer(args[0], whole), *args[1:], **options)[rows]
        return function(whole, *size[1:], **options)[rows]

    def _times(self, size: Sequence[int]) -> int:
        """How many rows each sample has where so much is drawn; 0 where what is drawn is not of samples."""
        if not len(size):
            return 0
        own = self.stop - self.start
        times, rest = divmod(size[0], own) if own else (1, size[0])
        return 0 if rest else times


def _dropout(function: Callable[..., Tensor], rows: slice, whole: int, inputs: Tensor, **options: Any) -> Tensor:
    """The factors that a dropout has for all samples, and those at `rows` multiplied with the inputs."""
    if not options["training"] or not options["p"]:
        return function(inputs, **options)
    factors = function(_longer(inputs.detach(), whole).fill_(1), options["p"], training=True)[rows]
    return inputs.mul_(factors) if options["inplace"] else inputs * factors


def _longer(tensor: Tensor, length: int) -> Tensor:
    """An empty tensor like that one but for its length, laid out in memory as it is: there, draws follow that order."""
    axes = sorted(range(tensor.ndim), key=tensor.stride().__getitem__, reverse=True)
    shape = [length if axis == 0 else tensor.shape[axis] for axis in axes]
    return tensor.new_empty(shape).permute([axes.index(axis) for axis in range(tensor.ndim)])


def _size(args: Sequence[Any]) -> Sequence[int]:
    """The size that `torch.rand(2, 3)` or `torch.rand((2, 3))` asks for."""
    return args if len(args) != 1 or isinstance(args[0], int) else args[0]
