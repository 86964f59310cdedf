"""Running statistics of batch norm, measured anew for weights that no training step has seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from clfkit.data.bundle import IndexArray, Inputs
from clfkit.engines.base import Arrays, EngineSetup
from clfkit.engines.pytorch.device import dtype_of
from clfkit.engines.pytorch.engine import TorchEngine
from clfkit.engines.pytorch.feed import Normalizer


@torch.no_grad()
def renewed_statistics(
    setup: EngineSetup, model: Arrays, inputs: Inputs, batches: Iterable[IndexArray], epoch: int
) -> Arrays:
    """The arrays of a model, its running statistics being means over these batches of raw train samples.

    As torch.optim.swa_utils.update_bn does it, but with nothing else in training mode (dropout would change what is
    measured), and leaving alone the statistics of what does not learn in that epoch, such as a frozen backbone.
    """
    engine = TorchEngine(dataclasses.replace(setup, train=None))
    engine.load_state(model)
    engine.start_epoch(epoch)
    normalize = Normalizer(setup.spec, engine.device, dtype_of(setup))
    modules = engine.model.train().modules()
    norms = [each for each in modules if isinstance(each, _BatchNorm) and each.training and each.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    engine.model.eval()
    for norm in norms:
        norm.train()
    for number, indices in enumerate((each for each in batches if len(each) > 1), start=1):
        for norm in norms:
            norm.momentum = 1 / number
        engine.model(normalize(torch.from_numpy(np.ascontiguousarray(inputs[indices]))))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return engine.model_state()
