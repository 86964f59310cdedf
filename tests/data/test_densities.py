"""Means of Gaussians against SciPy, near and far."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from clfkit.data.densities import GaussianMixture, log_sum


@pytest.mark.parametrize("sizes", [(1, 1, 1), (4, 1, 7)])
@pytest.mark.parametrize("features", [1, 2, 9])
def test_a_mixture_is_the_mean_of_its_gaussians(sizes: tuple[int, ...], features: int) -> None:
    random = np.random.default_rng(0)
    centres = [random.normal(size=(size, features)) for size in sizes]
    points = random.normal(size=(40, features)) * 3
    expected = [
        logsumexp([multivariate_normal.logpdf(points, centre, 0.7**2) for centre in each], axis=0) - np.log(len(each))
        for each in centres
    ]
    assert np.allclose(GaussianMixture(centres, 0.7).log_density(points), np.stack(expected, axis=1))


def test_far_from_all_centres_the_nearer_is_still_likelier() -> None:
    values = GaussianMixture([np.array([[0.0], [1.0]]), np.array([[5.0]])], 0.01).log_density(np.array([[1e4]]))
    assert np.isfinite(values).all()
    assert values[0, 1] > values[0, 0]


def test_many_points_are_taken_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    mixture = GaussianMixture([np.zeros((3, 2)), np.ones((1, 2))], 1.0)
    points = np.random.default_rng(0).normal(size=(101, 2))
    whole = mixture.log_density(points)
    monkeypatch.setattr("clfkit.data.densities.NUMBERS_AT_ONCE", 40)
    assert np.allclose(mixture.log_density(points), whole)


def test_log_sum_of_nothing_at_all() -> None:
    assert np.array_equal(log_sum(np.array([[-np.inf, -np.inf], [0.0, -np.inf]])), [-np.inf, 0.0])
