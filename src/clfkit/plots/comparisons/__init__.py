"""Figures that compare runs: one file each, a function Sequence[Classifier] → matplotlib Figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clfkit.classifier import Classifier
from clfkit.components import NoOptions, comparisons
from clfkit.errors import UsageError
from clfkit.plots import check_inputs
from clfkit.registry import Component

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class UnlikeRuns(UserWarning):
    """Runs are drawn together although they differ in more than the figure compares."""


def compare(component: Component[NoOptions], classifiers: Sequence[Classifier]) -> Figure:
    """The figure of that name, of one run or more, in their order; warns UnlikeRuns.

    Raises NothingToDraw; UsageError for runs that cannot be compared, and for a run given twice.
    """
    check_inputs(comparisons, component, classifiers)
    paths = [classifier.run.path for classifier in classifiers if classifier.run]
    places = [path.resolve() for path in paths]
    for path, place in zip(paths, places, strict=True):
        if places.count(place) > 1:
            raise UsageError(f"{path} is given twice; name each run once")
    from clfkit.plots.style import styled

    with styled():
        figure: Figure = comparisons.build(component, classifiers)
    return figure
