"""The engine that the size of the work decides: NumPy for small networks, torch for all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clfkit.components import NoOptions, augmentations, engines, losses, mixings, models, optimizers
from clfkit.registry import Component, Registry

if TYPE_CHECKING:
    from clfkit.engines.base import Engine, EngineSetup
    from clfkit.models.plan import Plan

SMALL_STEP = 1e7
"""Multiplications of weights with samples in a step below which the NumPy engine is the faster one: see
docs/performance.md, where both engines meet."""


@engines.register("auto")
def auto(setup: EngineSetup) -> Engine:
    """The NumPy engine where steps are small and it has all that is asked for, PyTorch everywhere else."""
    name, reason = choose_engine(setup)
    engine: Engine = engines.build(engine_called(name), setup)
    engine.decisions = {"engine": f"{name} (auto: {reason})", **engine.decisions}
    return engine


def engine_called(name: str) -> Component[NoOptions]:
    """An engine with its defaults."""
    return Component(name, engines.entry(name).options())


def resolved(engine: Component[NoOptions], setup: EngineSetup) -> Component[NoOptions]:
    """The engine itself, or for `auto` the one that it takes for this setup."""
    return engine_called(choose_engine(setup)[0]) if engine.name == "auto" else engine


def choose_engine(setup: EngineSetup) -> tuple[str, str]:
    """Name of the engine and the reason in a word.

    Decided by the setup alone, and not by whether it holds samples to train on: a resumed run gets the engine that it
    began with, and a trained model predicts with the one that trained it.
    """
    reason = _beyond_numpy(setup)
    if reason is not None:
        return "torch", reason
    count = multiplications(setup)
    return ("scratch", "small steps") if count < SMALL_STEP else ("torch", f"{count:.1e} multiplications a step")


def multiplications(setup: EngineSetup) -> int:
    """Products of a weight and a sample's number in the forward pass of one batch."""
    from clfkit.losses import build_loss

    loss = build_loss(setup.loss, setup.spec.classes, setup.class_counts, "scratch")
    plan: Plan = models.build(setup.model, setup.spec, loss.outputs, engine="scratch")
    return setup.batch_size * sum(plan.multiplications(setup.spec.shape))


def _beyond_numpy(setup: EngineSetup) -> str | None:
    """What the NumPy engine does not have or should not be asked for; None when it can do it all."""
    if setup.world.size > 1:
        return f"{setup.world.size} processes"
    if setup.spec.inputs != "vector":
        return f"{setup.spec.inputs}s"
    parts: list[tuple[Registry[Any], Component[Any]]] = [
        (models, setup.model), (losses, setup.loss), (optimizers, setup.optimizer),
        *((augmentations, each) for each in setup.augment), *([(mixings, setup.mix)] if setup.mix else []),
    ]  # fmt: skip
    for registry, component in parts:
        if not registry.serves(component.name, "scratch"):
            return f"{registry.kind} {component.name}"
    for key, accepted in engines.entry("scratch").accepts.items():
        option = key.rpartition(".")[2]  # EngineSetup calls it as the config does
        if getattr(setup, option) not in accepted:
            return f"{option} {getattr(setup, option)}"
    return None
