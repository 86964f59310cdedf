"""clfkit gradcheck: whether the NumPy engine's gradients are those of an experiment's loss."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from clfkit.cli.arguments import AsJson, ConfigFile, Overrides, Plugins
from clfkit.cli.terminal import columns, say
from clfkit.storage import without_nan

if TYPE_CHECKING:
    from clfkit.config import ExperimentConfig
    from clfkit.engines.scratch.gradients import Comparison

TOLERANCE = 1e-6
NUMPY_ENGINE = ("engine=scratch", "train.device=cpu", "train.precision=fp64")

Samples = Annotated[int, typer.Option("--samples", min=2, help="Train samples in the batch.")]
Entries = Annotated[int, typer.Option("--entries", min=1, help="Numbers to vary in each tensor, at most.")]


def gradcheck(
    config: ConfigFile,
    overrides: Overrides = [],
    samples: Samples = 8,
    entries: Entries = 50,
    as_json: AsJson = False,
    plugin: Plugins = [],
) -> None:
    """Check the NumPy engine's gradients on an experiment, against finite differences. Exit code 1 above 1e-6."""
    from clfkit.config import load_config

    chosen = load_config(config, [*overrides, *NUMPY_ENGINE])
    tensors = _compare(chosen, samples, entries)
    passed = all(tensor.error <= TOLERANCE for tensor in tensors)  # NaN is not
    if as_json:
        result = {"tolerance": TOLERANCE, "passed": passed, "tensors": [asdict(tensor) for tensor in tensors]}
        typer.echo(json.dumps(without_nan(result)))
    else:
        _show(chosen, tensors)
    if not passed:
        raise typer.Exit(1)


def _compare(config: ExperimentConfig, samples: int, entries: int) -> list[Comparison]:
    """Every tensor of the experiment's network, on a few of its train samples."""
    from clfkit import rng
    from clfkit.data.bundle import Split
    from clfkit.data.loading import load_bundle
    from clfkit.engines.base import EngineSetup
    from clfkit.engines.scratch.engine import ScratchEngine
    from clfkit.engines.scratch.gradients import compare_gradients

    bundle = load_bundle(config.data, config.data_seed)
    size = min(samples, len(bundle.train))
    chosen = rng.generator(config.seed, "gradcheck").permutation(len(bundle.train))[:size]
    batch = Split(bundle.train.inputs[chosen], bundle.train.labels[chosen], bundle.train.ids[chosen])
    setup = EngineSetup(
        spec=bundle.spec, model=config.model, loss=config.train.loss, optimizer=config.train.optimizer,
        train=batch, class_counts=bundle.train.counts(len(bundle.spec.classes)), seed=config.seed,
        batch_size=size, precision=config.train.precision, threads=config.train.threads,
    )  # fmt: skip
    return list(compare_gradients(ScratchEngine(setup), entries, config.seed))


def _show(config: ExperimentConfig, tensors: Sequence[Comparison]) -> None:
    """The table, and what follows from it."""
    header = ["tensor", "layer", "shape", "checked", "at kinks", "largest relative error"]
    say(f"{config.name}: {config.model.name} with {config.train.loss.name}, central differences in float64\n")
    rows = [
        (
            t.name,
            t.kind,
            "×".join(map(str, t.shape)),
            f"{t.checked:,}",
            f"{t.skipped:,}",
            f"{t.error:.1e}" if t.checked else "–",
        )
        for t in tensors
    ]
    say(columns(rows, header))
    wrong = [tensor.name for tensor in tensors if tensor.checked and not tensor.error <= TOLERANCE]
    unchecked = [tensor.name for tensor in tensors if not tensor.checked]
    say()
    if wrong:
        say(f"wrong gradients, above {TOLERANCE:g}: {', '.join(wrong)}")
    if unchecked:
        say(f"not checked: {', '.join(unchecked)}")
        say("Every entry that was tried lies beside a kink (of ReLU or pooling), where a difference is no derivative.")
        say("Smaller images, fewer --samples, or model.activation=tanh help")
    if not wrong and not unchecked:
        say(f"all gradients agree with the differences to {TOLERANCE:g}")
