"""Test-time augmentation: probabilities averaged over views, the same every time, never the run's own result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from clfkit import rng
from clfkit.augmentations import Augmenter
from clfkit.classifier import Classifier, load
from clfkit.errors import UsageError
from clfkit.evaluation import evaluate
from clfkit.views import Views


@pytest.fixture(params=["torch", "scratch"])
def shifted(request: pytest.FixtureRequest, laboratory: Any) -> Classifier:
    """Digits trained for a moment with shifts of a pixel."""
    changes = {"train.augment": [{"name": "shift", "pixels": 1}], "train.epochs": 1, "engine": request.param}
    return load(laboratory.run(laboratory.config("digits", changes)).path)


def test_the_mean_is_that_of_the_views(shifted: Classifier) -> None:
    images = np.asarray(shifted.bundle.test.inputs)[:50]
    views = shifted.views(3)
    assert views is not None
    augment = Augmenter(shifted.config.train.augment, shifted.spec, "scratch")
    keys = [rng.key(shifted.config.seed, "view", view) for view in (1, 2)]
    looks = [images, *(augment(images, key, np.arange(50)) for key in keys)]
    assert not np.array_equal(looks[1], looks[2])
    expected = np.mean([shifted.engine.predict(each) for each in looks], axis=0)
    assert_allclose(views.predict(shifted.engine, images), expected, atol=1e-6)


def test_views_do_not_depend_on_batches(shifted: Classifier) -> None:
    """More samples than one batch takes: the first come out as by themselves."""
    images = np.asarray(shifted.bundle.train.inputs)
    views = shifted.views(2)
    assert views is not None
    every, few = views.predict(shifted.engine, images), views.predict(shifted.engine, images[:3])
    assert len(every) == len(images)
    assert_allclose(every[:3], few, atol=1e-5)
    assert_array_equal(every, views.predict(shifted.engine, images))


def test_images_that_no_view_changes_keep_their_probabilities(shifted: Classifier) -> None:
    black = np.zeros((4, 1, 8, 8), np.uint8)
    views = shifted.views(5)
    assert views is not None
    assert_allclose(views.predict(shifted.engine, black), shifted.engine.predict(black), atol=1e-6)


def test_the_loss_of_an_average_is_undefined(shifted: Classifier) -> None:
    test = shifted.bundle.test
    result = evaluate(shifted.engine, test, "test", shifted.spec.classes, views=shifted.views(2))
    assert np.isnan(result.metrics["loss"])
    assert 0 <= result.metrics["accuracy"] <= 1
    assert shifted.views(None) is None


def test_a_run_without_augmentations_is_told_how(laboratory: Any) -> None:
    spec = load(laboratory.run(laboratory.config("blobs", {"train.epochs": 1})).path).spec
    with pytest.raises(UsageError, match=r"--tta 4: the run has no augmentations .* --set 'train\.augment=\[shift\]'"):
        Views(4, (), spec, 0)
