"""clfkit plan: what an experiment will take, before anybody waits for it."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import typer

from clfkit.cli.advice import images_of_experiment
from clfkit.cli.arguments import AsJson, ConfigFile, Overrides, Plugins
from clfkit.cli.terminal import columns, say
from clfkit.storage import without_nan
from clfkit.wording import in_bytes

if TYPE_CHECKING:
    from clfkit.config import ExperimentConfig
    from clfkit.planning import Plan


def plan(config: ConfigFile, overrides: Overrides = [], as_json: AsJson = False, plugin: Plugins = []) -> None:
    """Say what an experiment will take: memory, seconds, disk. Some real steps are taken, nothing is kept."""
    from clfkit.cli import processes

    processes.refuse_several("clfkit plan measures what one process takes")
    from clfkit.config import load_config
    from clfkit.planning import make_plan
    from clfkit.progress import listener
    from clfkit.reporting import heard_by
    from clfkit.timing import process_start

    chosen = load_config(config, overrides)
    with heard_by(listener(as_json)), images_of_experiment():
        made = make_plan(chosen, process_start())
    if as_json:
        result = dataclasses.asdict(made) | {"footprint": {**made.footprint._asdict(), "total": made.footprint.total}}
        typer.echo(json.dumps(without_nan(result)))
    else:
        _show(chosen, made)


def _show(config: ExperimentConfig, plan: Plan) -> None:
    memory = plan.footprint
    decided = ", ".join(f"{key} {value}" for key, value in plan.decisions.items())
    counts = ", ".join(f"{count:,} {part}" for part, count in plan.samples.items())
    fixed = memory.numbers - plan.learnable
    numbers = f"{plan.learnable:,}" + (f" trainable, {fixed:,} frozen" if fixed else "")
    parts = {name: getattr(memory, name) for name in ("weights", "gradients", "optimizer", "activations", "samples")}
    shares = ", ".join(f"{part} {share:.0%}" for part, share in plan.phases.items() if share >= 0.005)
    cached = f", {in_bytes(plan.cache)} of decoded images" if plan.cache else ""
    ends = datetime.now() + timedelta(seconds=plan.total)
    later = [word for word, wanted in (("figures", config.plots != ()), ("the report", config.report)) if wanted]
    on_top = f"; without {' and '.join(later)}" if later else ""
    rows = [
        ("samples", f"{counts}; {plan.classes:,} classes"),
        ("parameters", f"{numbers} ({config.model.name})"),
        ("computes", decided),
        (
            "memory",
            f"{in_bytes(memory.total)}: " + ", ".join(f"{name} {in_bytes(size)}" for name, size in parts.items()),
        ),
        ("a step", f"{_seconds(plan.step)} for {plan.batch_size:,} samples: {shares}"),
        ("an epoch", f"{_seconds(plan.epoch)}: {plan.steps:,} steps, validation {_seconds(plan.validation)}"),
        ("the run", f"{_seconds(plan.total)}: {plan.epochs:,} epochs, {plan.all_steps:,} steps{on_top}"),
        ("started now", f"it would end on {ends:%A, %d %B at %H:%M}"),
        ("disk", f"{in_bytes(plan.disk)} of checkpoints at most{cached}"),
    ]
    if memory.peak is not None and memory.available is not None:
        rows.insert(4, ("at most", f"{in_bytes(memory.peak)} of {in_bytes(memory.available)} on the device"))
    say(f"{config.name}\n\n{columns(rows)}")
    notes = [*plan.hints]
    if config.train.early_stopping:
        notes.append("early stopping may end the run sooner")
    if notes:
        say("\n" + "\n".join(notes))


def _seconds(seconds: float) -> str:
    """`64 µs`, `11 ms`, `3.2 s`, `14 min`, `5 h 20 min`."""
    if seconds < 0.9995:
        return f"{1e3 * seconds:.3g} ms" if seconds >= 1e-3 else f"{1e6 * seconds:.0f} µs"
    if seconds < 99.5:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60:,} h {minutes % 60} min"
