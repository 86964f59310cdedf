"""clfkit: classification experiments from one YAML file.

`train` runs one, `load` restores a trained classifier. Both import what they need when they are called.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clfkit.classifier import Classifier
    from clfkit.run import RunDirectory

__version__ = "0.1.0"
__all__ = ["__version__", "load", "train"]


def train(
    config: str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    out: str | Path = "outputs",
    run_id: str | None = None,
    quiet: bool = True,
) -> RunDirectory:
    """Run the experiment of a YAML file: train, evaluate, draw. Returns its run directory.

    overrides: options by dotted path, as in `{"train.epochs": 5}`.
    Raises clfkit.errors.ClfkitError; its text is one clear line a fault.
    """
    from clfkit.config import load_config
    from clfkit.experiment import run_experiment
    from clfkit.progress import listener
    from clfkit.run import RunDirectory

    checked = load_config(config, overrides or {})
    run = RunDirectory.create(Path(out), checked, run_id)
    run_experiment(run, checked, listener(quiet))
    return run


def load(source: str | Path, *, out: str | Path = "outputs") -> Classifier:
    """Restore a trained classifier from a run directory or its id, a checkpoint folder, or `latest`.

    Raises clfkit.errors.CheckpointError when there is none, or a damaged one.
    """
    from clfkit.classifier import load

    return load(source, out)
