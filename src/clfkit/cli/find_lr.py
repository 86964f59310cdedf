"""clfkit train --find-lr: a learning rate for an experiment."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clfkit.cli.advice import images_of_experiment
from clfkit.cli.terminal import say
from clfkit.errors import Interrupted, TrainingError
from clfkit.storage import changing

if TYPE_CHECKING:
    from clfkit.config import ExperimentConfig
    from clfkit.range_test import RangeTest

OPTION = "train.optimizer.lr"


def find_rate_of(config: ExperimentConfig, folder: Path, *, quiet: bool, as_json: bool) -> None:
    """Test, draw find-lr.png and .svg into the folder, and say which rate to take.

    Raises TrainingError when no rate lowered the loss.
    """
    from clfkit.plots import FORMATS, save
    from clfkit.plots.range_test import draw_range_test
    from clfkit.progress import listener
    from clfkit.range_test import STEPS, find_rate
    from clfkit.reporting import heard_by

    watch = listener(quiet)

    try:
        with heard_by(watch), images_of_experiment():
            test = find_rate(config, lambda step: watch.on_work("learning-rate range test", step, STEPS))
    except KeyboardInterrupt:
        raise Interrupted("stopped at once; a range test keeps nothing", signal.SIGINT) from None
    finally:
        watch.on_work_end()
    figure = draw_range_test(test, config.name)
    with changing(folder, "make"):
        folder.mkdir(parents=True, exist_ok=True)
    written = [save(figure, folder / f"find-lr.{suffix}") for suffix in FORMATS]
    if as_json:
        typer.echo(json.dumps(_result(test, written)))
    elif not quiet:
        say("\n".join(map(str, written)))
    if test.suggestion is None:
        raise TrainingError(
            f"no learning rate lowered the loss by more than batches differ, in {len(test.losses)} steps; "
            f"{OPTION} stays at {test.current:g}"
        )
    if not as_json:
        measured = f" --set train.batch_size={test.batch_size}" if config.train.batch_size == "auto" else ""
        say(f"--set {OPTION}={test.suggestion:g}{measured}    (now {test.current:g})")


def _result(test: RangeTest, written: list[Path]) -> dict[str, object]:
    """What `--json` prints."""
    return {
        "suggestion": test.suggestion,
        "current": test.current,
        "batch_size": test.batch_size,
        "rates": test.rates.tolist(),
        "losses": test.losses.tolist(),
        "smoothed": test.smoothed.tolist(),
        "figures": list(map(str, written)),
    }
