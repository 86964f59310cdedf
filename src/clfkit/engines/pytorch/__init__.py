"""The torch engine; torch is imported when an engine is built, not before."""

from __future__ import annotations

from clfkit.components import engines
from clfkit.engines.base import Engine, EngineSetup


@engines.register("torch")
def torch(setup: EngineSetup) -> Engine:
    """PyTorch on a CPU or GPU."""
    from clfkit.engines.pytorch.engine import TorchEngine

    return TorchEngine(setup)
