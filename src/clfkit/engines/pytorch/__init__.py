"""The torch engine; torch is imported when an engine is built, not before."""

from __future__ import annotations

from clfkit.components import engines
from clfkit.engines.base import Engine, EngineSetup
from clfkit.interruption import postponed


@engines.register("torch")
def torch(setup: EngineSetup) -> Engine:
    """PyTorch on a CPU or GPU."""
    with postponed():
        from clfkit.engines.pytorch.engine import TorchEngine

    return TorchEngine(setup)
