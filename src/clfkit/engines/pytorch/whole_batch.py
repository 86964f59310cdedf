"""What samples do not go through alone, done over the batches of all processes as if they were one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from clfkit.engines.pytorch.global_draws import DRAWING, Rows
from clfkit.engines.pytorch.global_norm import global_batch_norm

BACKWARD = {Tensor.backward, torch.autograd.backward}


@contextmanager
def as_whole_batch(rows: Rows) -> Iterator[None]:
    """While it lasts, batch norm of any module in training goes over all processes, and what is drawn is drawn for all.

    State dicts stay as they are. Modules that are run once more on the way back, since their activations were not kept
    (torch.utils.checkpoint), do as they did on the way forth.
    """
    mode = _WholeBatch(rows)
    again: list[nn.Module] = []

    def before(module: nn.Module, inputs: Any) -> None:
        if mode.backward:
            mode.backward = False
            again.append(module)
            mode.__enter__()  # type: ignore[no-untyped-call]

    def after(module: nn.Module, inputs: Any, outputs: Any) -> None:
        if again and again[-1] is module:
            mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            again.pop()
            mode.backward = True

    hooks = register_module_forward_pre_hook(before), register_module_forward_hook(after, always_call=True)
    try:
        with mode:
            yield
    finally:
        for hook in hooks:
            hook.remove()


class _WholeBatch(TorchFunctionMode):
    """backward: whether gradients are on their way, when no mode is active."""

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self._rows = rows
        self.backward = False

    def __torch_function__(
        self, function: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        options = kwargs or {}
        if function is functional.batch_norm and options.get("training"):
            return global_batch_norm(*args, **options)
        if function in DRAWING:
            return self._rows.draw(function, args, options)
        self.backward = self.backward or function in BACKWARD
        try:
            return function(*args, **options)
        finally:
            if function in BACKWARD:
                self.backward = False
