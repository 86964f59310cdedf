"""The NumPy engine: a neural network from first principles, with no torch in the process."""

from __future__ import annotations

from clfkit.components import engines
from clfkit.engines.base import Engine, EngineSetup


@engines.register(
    "scratch", engine="scratch", accepts={"train.device": ("auto", "cpu"), "train.precision": ("auto", "fp32", "fp64")}
)
def scratch(setup: EngineSetup) -> Engine:
    """A network written from first principles in NumPy, on a CPU; the process never imports torch."""
    from clfkit.engines.scratch.engine import ScratchEngine

    return ScratchEngine(setup)
