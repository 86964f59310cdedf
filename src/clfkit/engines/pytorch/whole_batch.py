"""What samples do not go through alone, done over the batches of all processes as if they were one batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.nn import functional
from torch.overrides import TorchFunctionMode

from clfkit.engines.pytorch.global_draws import DRAWING, Rows
from clfkit.engines.pytorch.global_norm import global_batch_norm


class WholeBatch(TorchFunctionMode):
    """While active, batch norm of any module in training goes over all processes, and what is drawn is drawn for all.

    State dicts stay as they are.
    """

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self._rows = rows

    def __torch_function__(
        self, function: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        options = kwargs or {}
        if function is functional.batch_norm and options.get("training"):
            return global_batch_norm(*args, **options)
        if function in DRAWING:
            return self._rows.draw(function, args, options)
        return function(*args, **options)
