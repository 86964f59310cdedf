"""Figures: one file each, a function Classifier → matplotlib Figure, drawn without pyplot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clfkit.classifier import Classifier
from clfkit.components import NoOptions, plots
from clfkit.errors import ClfkitError
from clfkit.registry import Component, Registry
from clfkit.storage import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from clfkit.plots.frames import Animation

    Drawing = Figure | Animation

FORMATS = ("png", "svg")
"""What figures are kept as."""
MOVING_FORMATS = ("gif", "html")
"""What animations are kept as."""


class NothingToDraw(ClfkitError):
    """What a figure would show is not there: no history, no valid split, the wrong kind of data."""


class TakesLong(NothingToDraw):
    """An animation that would hold up the end of a run."""


def suitable(classifier: Classifier) -> list[str]:
    """The plots that fit the classifier's kind of data, and those of snapshots where there are some."""
    kept = classifier.run is not None and bool(classifier.run.snapshots.by_epoch())
    entries = map(plots.entry, plots.names())
    return [e.name for e in entries if e.inputs in (None, classifier.spec.inputs) and (kept or not e.snapshots)]


def draw(component: Component[NoOptions], classifier: Classifier) -> Drawing:
    """The figure of that name. Raises NothingToDraw, DataError."""
    check_inputs(plots, component, [classifier])
    from clfkit.plots.style import styled

    with styled():
        drawing: Drawing = plots.build(component, classifier)
    return drawing


def check_inputs(
    registry: Registry[NoOptions], component: Component[NoOptions], classifiers: Sequence[Classifier]
) -> None:
    """Insist that a figure is for the kind of data that the models were trained on. Raises NothingToDraw."""
    needed = registry.entry(component.name).inputs
    for kind in (classifier.spec.inputs for classifier in classifiers):
        if needed not in (None, kind):
            raise NothingToDraw(
                f"{registry.kind} {component.name!r} needs {needed} data, and this model was trained on {kind} data"
            )


def formats(drawing: Drawing) -> tuple[str, ...]:
    """The suffixes of the files that are kept of a figure."""
    from clfkit.plots.frames import Animation

    return MOVING_FORMATS if isinstance(drawing, Animation) else FORMATS


def save(drawing: Drawing, path: Path) -> Path:
    """Write a figure in the format of the path's suffix. Raises ClfkitError when that is not possible."""
    from clfkit.plots.frames import Animation

    if isinstance(drawing, Animation):
        _save_moving(drawing, path)
    else:
        _save_still(drawing, path)
    return path


def _save_moving(animation: Animation, path: Path) -> None:
    from clfkit.plots.slider import page

    if path.suffix not in (".gif", ".html"):
        raise ClfkitError(f"cannot write {path}: an animation is a .gif or a .html file")
    write_atomically(path, animation.gif() if path.suffix == ".gif" else page(animation).encode())


def _save_still(figure: Figure, path: Path) -> None:
    from clfkit.plots.style import arranged, styled

    extra: dict[str, Any] = {"metadata": {"Date": None}} if path.suffix == ".svg" else {}
    try:
        with styled(), arranged(figure):
            figure.savefig(path, **extra)
    except (OSError, ValueError) as error:
        raise ClfkitError(f"cannot write {path}: {error}") from None


def draw_all(
    classifier: Classifier, names: Iterable[str], patience: float = math.inf
) -> Iterator[tuple[str, list[Path] | NothingToDraw]]:
    """Draw each plot into the run's folder; a plot with nothing to show gives the reason.

    patience: seconds that an animation may take.
    """
    from clfkit.plots.frames import Animation

    run = classifier.run
    assert run is not None, "figures are kept with a run"
    for name in names:
        try:
            drawing = draw(plots.parse(name), classifier)
            if isinstance(drawing, Animation) and (seconds := drawing.remaining()) > patience:
                raise TakesLong(f"it would take {seconds:.0f} seconds: clfkit plot {name} {run.path}")
        except NothingToDraw as reason:
            yield name, reason
            continue
        yield name, [save(drawing, run.plot_path(name, suffix)) for suffix in formats(drawing)]
