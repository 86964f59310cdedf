"""AdamW: Adam whose weight decay does not pass through the moments."""

from __future__ import annotations

import numpy.typing as npt

from clfkit.components import optimizers
from clfkit.engines.scratch.optimizers import UpdateRule
from clfkit.engines.scratch.optimizers.adam import Adam


@optimizers.implement("adamw", engine="scratch")
def adamw(
    size: int,
    dtype: npt.DTypeLike,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
) -> UpdateRule:
    """Adam; its decoupled decay (Loshchilov and Hutter 2019) is the work of `clfkit.engines.scratch.penalty`."""
    return Adam(size, dtype, lr=lr, beta1=beta1, beta2=beta2, eps=eps)
