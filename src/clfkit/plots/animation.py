"""What a run has learnt from epoch to epoch: its decision regions, or its confusion matrix, in motion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.data.bundle import IndexArray, Part, Split
from clfkit.plots import NothingToDraw
from clfkit.plots._matrix import merged_matrix, named_matrix
from clfkit.plots._planes import choose_plane
from clfkit.plots._predictions import drawable_split, predicted_on
from clfkit.plots._regions import draw_regions, drawn_part, legend_of, predict_regions, ring, window_around
from clfkit.plots._snapshots import kept_models, restored
from clfkit.plots.frames import Animation, captured
from clfkit.plots.style import label, percent, scatter

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

RESOLUTION = 150  # predictions along each side of the regions
DPI = 110  # dots per inch,
WIDEST = 900  # and fewer where a frame would have more than so many across
BACKDROP = 7.0  # square points of a train sample behind others
NAMED_CLASSES = 30  # up to so many classes a row of the matrix has its class's name


@plots.register("animation", snapshots=True)
def animation(
    classifier: Classifier,
    *,
    show: Literal["boundary", "confusion"] | None = None,
    split: Literal["train", "valid"] | None = None,
    frames: Annotated[int, Field(ge=1, le=200)] = 100,
    seconds: Annotated[float, Field(ge=0.02, le=10)] = 0.15,
) -> Animation:
    """What the model knew after each epoch, from the snapshots of the run: a GIF, and a page with a slider.

    Frames share axes, colours and scale; each names its epoch and the accuracy on the split. Decision regions begin
    with the model before training; samples of more than two features lie in a PCA plane, see `boundary`.

    Raises NothingToDraw for a run without snapshots.

    Options:
        show: decision regions or the confusion matrix; by default regions where samples have two or more features.
        split: the samples that are drawn and scored; by default valid, or train without one.
        frames: snapshots that are shown; of more so many, evenly spread.
        seconds: how long each frame stays.
    """
    places = kept_models(classifier, frames)
    planar = classifier.spec.inputs == "vector" and classifier.spec.features > 1
    if show == "boundary" and not planar:
        raise NothingToDraw("decision regions need samples of two or more features; show=confusion suits all data")
    part: Part = split or ("valid" if len(classifier.bundle.valid) else "train")
    samples = drawable_split(classifier, part)
    scene = (_Confusion if show == "confusion" or not planar else _Regions)(classifier, samples)
    title = f"{scene.what} of {label(classifier.config.name, 40)}"
    scene.figure.suptitle("\n".join(filter(None, (title, scene.note))), x=0.01, horizontalalignment="left")
    heading = f"{classifier.config.name}{f', run {classifier.run.id}' if classifier.run else ''}"
    frames_drawn = captured(scene.figure, _moments(classifier, places, scene, part))
    return Animation(heading, title, frames_drawn, len(places), seconds)


def _moments(
    classifier: Classifier, places: Mapping[int, Path], scene: _Regions | _Confusion, part: Part
) -> Iterator[tuple[int, str]]:
    """Bring the scene from one kept model to the next: the epoch and the caption of each."""
    last = max(places)
    for epoch, model in restored(classifier, places):
        predicted = predicted_on(model, scene.samples)
        scene.show(model, predicted)
        right = float((predicted == scene.samples.labels).mean())
        caption = f"{f'Epoch {epoch} of {last}' if epoch else 'Before training'}: {percent(right)} right on {part}"
        scene.axes.set_title(caption)
        yield epoch, caption


def _canvas(width: float, height: float) -> Figure:
    """An empty figure of so many inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=min(DPI, WIDEST / width))


class _Regions:
    """Decision regions under samples, those that a model misclassifies ringed."""

    what = "Decision regions"

    def __init__(self, classifier: Classifier, samples: Split) -> None:
        self.samples = samples
        self.plane = choose_plane(classifier, ())
        self.note = ""
        self.part = drawn_part(samples, self.plane)
        train = drawn_part(classifier.bundle.train, self.plane)
        self.window = window_around(np.concatenate([train.points, self.part.points]))
        self.figure = _canvas(7.0, 5.2)
        self.axes = self.figure.subplots()
        self.axes.set(xlabel=self.plane.axes[0], ylabel=self.plane.axes[1])
        if samples is not train.split:
            self.note = "small: train samples"
            scatter(self.axes, train.points, train.split.labels[train.indices], size=BACKDROP)
        scatter(self.axes, self.part.points, samples.labels[self.part.indices], size=self.part.size)
        legend_of(self.figure, classifier.classes)
        self._shown: list[Artist] = []

    def show(self, model: Classifier, predicted: IndexArray) -> None:
        while self._shown:
            self._shown.pop().remove()
        regions = predict_regions(model, self.plane, self.window, RESOLUTION)
        wrong = (predicted != self.samples.labels)[self.part.indices]
        self._shown = [
            *draw_regions(self.axes, regions, self.window, classes=len(model.classes)),
            ring(self.axes, self.part.points[wrong], self.part.size),
        ]


class _Confusion:
    """The confusion matrix; of more than 30 classes by class index, neighbours merged."""

    what = "Confusion matrix"

    def __init__(self, classifier: Classifier, samples: Split) -> None:
        names = classifier.classes
        self.samples = samples
        self.note = ""
        side = min(max(4.6, 3.2 + 0.5 * len(names)), 8.0)
        self.figure = _canvas(side + 1.2, side)
        self.axes = self.figure.subplots()
        if len(names) <= NAMED_CLASSES:
            self.matrix = named_matrix(self.figure, self.axes, names)
        else:  # at best all samples of some merged rows are in one cell
            self.matrix = merged_matrix(self.figure, self.axes, len(names), samples.labels, samples.labels)
            self.note = f"{len(names):,} classes by index; white: no sample"
        self.axes.set(xlabel="predicted class", ylabel="true class")

    def show(self, model: Classifier, predicted: IndexArray) -> None:
        self.matrix.show(self.samples.labels, predicted)
