"""Decision regions in a plane, before and after training, with the train and the test samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.plots._planes import choose_plane
from clfkit.plots._predictions import predicted_on
from clfkit.plots._regions import (
    DrawnPart,
    draw_optimal,
    draw_regions,
    drawn_part,
    legend_of,
    optimal_regions,
    predict_regions,
    ring,
    window_around,
)
from clfkit.plots.style import label, percent, scatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@plots.register("boundary", inputs="vector")
def boundary(
    classifier: Classifier,
    *,
    features: tuple[str, ...] = (),
    resolution: Annotated[int, Field(ge=10, le=2000)] = 200,
    optimal: bool = True,
) -> Figure:
    """Decision regions before and after training, with train and test samples; misclassified ones are ringed.

    Samples of more than two features are shown in the plane of the first two principal components of the
    standardised train inputs: points are projected onto it, and regions are predictions for the samples that
    lie in it, so that a point may be right in a region of another colour.

    For synthetic data of two features the boundary of the best possible classifier is a dashed line.

    Raises NothingToDraw for data of one feature.

    Options:
        features: names of two features to draw instead, the others being held at their train median.
        resolution: predictions along each side of the picture; fewer with more than 5,000 classes.
        optimal: draw the boundary of the best possible classifier, too, where it is known.
    """
    from matplotlib.figure import Figure

    plane = choose_plane(classifier, features)
    initial = classifier.initial()
    stages = ({"Before training": initial} if initial else {}) | {"After training": classifier}
    bundle = classifier.bundle
    parts = {
        name: drawn_part(split, plane) for name, split in (("train", bundle.train), ("test", bundle.test)) if len(split)
    }
    window = window_around(np.concatenate([part.points for part in parts.values()]))
    best = optimal_regions(bundle, plane, window, resolution) if optimal else None
    figure = Figure(figsize=(2.2 + 4.2 * len(parts), 0.8 + 3.6 * len(stages)))
    grid = figure.subplots(len(stages), len(parts), squeeze=False, sharex=True, sharey=True)
    for row, (stage, model) in zip(grid, stages.items(), strict=True):
        regions = predict_regions(model, plane, window, resolution)
        for axes, (name, part) in zip(row, parts.items(), strict=True):
            draw_regions(axes, regions, window)
            if best is not None:
                draw_optimal(axes, best, window)
            _draw_part(axes, f"{stage}, {name}", model, part)
            axes.set(xlabel=plane.axes[0], ylabel=plane.axes[1])
            axes.label_outer()
    legend_of(figure, classifier.classes, optimal=best is not None)
    title = f"Decision regions of {label(classifier.config.name, 40)}"
    figure.suptitle("\n".join(filter(None, (title, plane.note))))
    return figure


def _draw_part(axes: Axes, title: str, model: Classifier, part: DrawnPart) -> None:
    """The points; those that the model misclassifies get a ring. The title counts all samples."""
    split, drawn, points = part
    wrong = predicted_on(model, split) != split.labels
    scatter(axes, points, split.labels[drawn], size=part.size)
    ring(axes, points[wrong[drawn]], part.size)
    title += f": {percent(1 - float(wrong.mean()))} right"
    if len(drawn) < len(split):
        title += f"\n({len(drawn):,} of {len(split):,} points drawn)"
    axes.set_title(title)
