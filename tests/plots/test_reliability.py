"""Accuracy against confidence."""

from __future__ import annotations

import dataclasses

import numpy as np
from drawn_classifiers import certain, invented

from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.plots import draw


def sure(confidence: float, right: int, of: int, temperature: float | None = None) -> Classifier:
    """A classifier of two classes that is always as sure, and right so often."""
    labels = np.zeros(of, np.int64)
    said = (np.arange(of) >= right).astype(np.int64)
    made = invented(np.zeros((of, 2), np.float32), labels, ("a", "b"), lambda x: certain(said, 2, confidence))
    warm = dataclasses.replace(made, checkpoint=dataclasses.replace(made.checkpoint, temperature=temperature))
    vars(warm).update(bundle=made.bundle, engine=made.engine)
    return warm


def test_a_point_stands_where_confidence_and_accuracy_are() -> None:
    upper, lower = draw(plots.parse("reliability"), sure(0.9, 3, 4)).axes
    _, line = upper.lines
    assert np.allclose(line.get_xydata(), [[0.9, 0.75]])
    assert line.get_label() == "as it is, error 15.0%"
    assert [bar.get_height() for bar in lower.patches] == [1.0]


def test_the_temperature_moves_confidence_and_not_accuracy() -> None:
    upper, _ = draw(plots.parse("reliability"), sure(0.9, 3, 4, temperature=2.0)).axes
    _, _, after = upper.lines
    assert np.allclose(after.get_xydata(), [[0.75, 0.75]], atol=1e-6)  # odds 9 → 3
    assert after.get_label() == "at temperature 2.00, error 0.0%"
