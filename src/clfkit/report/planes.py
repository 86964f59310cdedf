"""Decision regions of a run's models in a plane, as numbers that the page paints."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from typing import Any

import numpy as np

from clfkit.classifier import Classifier
from clfkit.data.bundle import IndexArray, Split
from clfkit.plots import NothingToDraw
from clfkit.plots._planes import choose_plane
from clfkit.plots._regions import DrawnPart, drawn_part, optimal_regions, predict_regions, window_around
from clfkit.plots._snapshots import restored
from clfkit.plots.style import thinned
from clfkit.run import RunDirectory

MOST_CLASSES = 30
"""More could not be told apart by colour."""
STILL, MOVING = 200, 120
"""Predictions along each side of a picture: of two, and of one for each snapshot."""
FRAMES = 60
"""Most epochs that are shown; of more so many, evenly spread."""


@dataclass(frozen=True)
class Boundary:
    """Pictures of the decision regions: `frames` of {caption, cells, wrong}, and the points that lie in them.

    cells: base64 of pairs of bytes, how many cells follow one another and of which class, from the lower left corner
    on, row by row. wrong: of the points, those that this model misclassifies. best: the frame of the best epoch.
    optimal: the cells of the best possible classifier, where the data are drawn from a known density.
    """

    frames: list[dict[str, Any]]
    best: int
    optimal: str | None
    points: dict[str, Any]
    side: int
    axes: tuple[str, str]
    note: str


def boundary(classifier: Classifier, run: RunDirectory) -> Boundary:
    """Before training, after every snapshot that was kept, and at the best epoch. Raises NothingToDraw, DataError."""
    if classifier.spec.inputs != "vector":
        raise NothingToDraw("decision regions are drawn of vectors, not of images")
    if len(classifier.classes) > MOST_CLASSES:
        raise NothingToDraw(f"decision regions of more than {MOST_CLASSES} classes could not be told apart")
    plane = choose_plane(classifier, ())
    bundle = classifier.bundle
    split = next(part for part in (bundle.test, bundle.valid, bundle.train) if len(part))
    part = drawn_part(split, plane)
    window = window_around(np.concatenate([drawn_part(bundle.train, plane).points, part.points]))
    side = MOVING if run.snapshots.by_epoch() else STILL
    frames: list[dict[str, Any]] = []
    best = 0
    for epoch, model in _stages(classifier, run):
        best = len(frames) if model is classifier else best
        caption = f"Epoch {epoch}{', the best' * (model is classifier)}" if epoch else "Before training"
        regions = predict_regions(model, plane, window, side).classes
        wrong = np.flatnonzero(_predicted(model, split, part.indices) != split.labels[part.indices])
        frames.append({"caption": caption, "cells": run_lengths(regions.ravel()), "wrong": wrong.tolist()})
    optimal = optimal_regions(bundle, plane, window, side)
    known = None if optimal is None else run_lengths(optimal.classes.ravel())
    return Boundary(frames, best, known, _placed(part, window), len(regions), plane.axes, plane.note)


def run_lengths(classes: IndexArray) -> str:
    """Classes (N,) below 256 as base64 of bytes: a length from 1 to 255 and a class, for every stretch of one class."""
    starts = np.flatnonzero(np.diff(classes, prepend=-1))
    lengths = np.diff(starts, append=len(classes))
    pieces = -(-lengths // 255)
    long = np.full(int(pieces.sum()), 255, np.uint8)
    long[np.cumsum(pieces) - 1] = lengths - 255 * (pieces - 1)
    pairs = np.column_stack([long, np.repeat(classes[starts], pieces).astype(np.uint8)])
    return base64.b64encode(pairs.tobytes()).decode()


def _stages(classifier: Classifier, run: RunDirectory) -> Iterator[tuple[int, Classifier]]:
    """The kept models by their epochs, 0 before training; those of snapshots share one engine, which is reused."""
    initial, best = classifier.initial(), classifier.checkpoint.state.epoch
    kept = {epoch: path for epoch, path in run.snapshots.by_epoch().items() if epoch != best}
    chosen = [[*kept][index] for index in thinned(len(kept), FRAMES)]
    others = restored(classifier, {epoch: kept[epoch] for epoch in chosen}) if chosen else ()
    if initial is not None:
        yield 0, initial
    yield from merge(others, [(best, classifier)], key=lambda stage: stage[0])


def _predicted(model: Classifier, split: Split, rows: IndexArray) -> IndexArray:
    said: IndexArray = model.engine.predict(split.inputs[rows]).argmax(axis=1)
    return said


def _placed(part: DrawnPart, window: tuple[float, float, float, float]) -> dict[str, Any]:
    """Points as thousandths of the width and height of the picture, from the lower left corner."""
    left, right, bottom, top = window
    x = (part.points[:, 0] - left) / (right - left)
    y = (part.points[:, 1] - bottom) / (top - bottom)
    return {
        "x": np.round(1000 * x).astype(int).tolist(),
        "y": np.round(1000 * y).astype(int).tolist(),
        "classes": part.split.labels[part.indices].tolist(),
    }
