"""MixUp: weighted means of two samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clfkit import rng
from clfkit.components import mixings
from clfkit.data.bundle import DataSpec
from clfkit.mixings import Mixing, Shares
from clfkit.options import Concentration, Probability

if TYPE_CHECKING:
    from torch import Tensor


@mixings.register("mixup")
def mixup(spec: DataSpec, *, alpha: Concentration = 0.2, probability: Probability = 1.0) -> Mixing:
    """Every sample becomes λ of itself and 1 - λ of another, with a λ of its own from Beta(α, α).

    Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018; there one λ serves a whole batch.

    Options:
        alpha: small ones leave most samples nearly as they are; at 1 all shares are equally likely.
        probability: how often it happens to a sample.
    """
    import torch

    def mixed(inputs: Tensor, others: Tensor, draws: rng.Streams) -> tuple[Tensor, Shares]:
        untouched = draws.uniform(1)[:, 0] >= probability
        shares = np.where(untouched, 1.0, draws.beta(alpha))
        dtype = inputs.dtype if inputs.is_floating_point() else torch.float32
        own = torch.from_numpy(shares).to(dtype).to(inputs.device).reshape(-1, *[1] * (inputs.ndim - 1))
        return own * inputs + (1 - own) * others, shares

    return mixed
