"""Figures: one file each, a function Classifier → matplotlib Figure, drawn without pyplot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clfkit.classifier import Classifier
from clfkit.components import NoOptions, plots
from clfkit.errors import ClfkitError
from clfkit.registry import Component, Registry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg")


class NothingToDraw(ClfkitError):
    """What a figure would show is not there: no history, no valid split, the wrong kind of data."""


def suitable(classifier: Classifier) -> list[str]:
    """The plots that fit the classifier's kind of data."""
    return [name for name in plots.names() if plots.entry(name).inputs in (None, classifier.spec.inputs)]


def draw(component: Component[NoOptions], classifier: Classifier) -> Figure:
    """The figure of that name. Raises NothingToDraw, DataError."""
    check_inputs(plots, component, [classifier])
    from clfkit.plots.style import styled

    with styled():
        figure: Figure = plots.build(component, classifier)
    return figure


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


def save(figure: Figure, path: Path) -> Path:
    """Write a figure in the format of the path's suffix. Raises ClfkitError when that is not possible."""
    from clfkit.plots.style import arranged, styled

    extra: dict[str, Any] = {"metadata": {"Date": None}} if path.suffix == ".svg" else {}
    try:
        with styled(), arranged(figure):
            figure.savefig(path, **extra)
    except (OSError, ValueError) as error:
        raise ClfkitError(f"cannot write {path}: {error}") from None
    return path


def draw_all(classifier: Classifier, names: Iterable[str]) -> Iterator[tuple[str, list[Path] | NothingToDraw]]:
    """Draw each plot into the run's folder, as PNG and SVG; a plot with nothing to show gives the reason."""
    assert classifier.run is not None, "figures are kept with a run"
    for name in names:
        try:
            figure = draw(plots.parse(name), classifier)
        except NothingToDraw as reason:
            yield name, reason
            continue
        yield name, [save(figure, classifier.run.plot_path(name, suffix)) for suffix in FORMATS]
