"""Paired tests, beside scipy, the definition of Holm's procedure and a bootstrap of another make."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import binomtest

from clfkit.comparing.paired import FEWEST_DISCORDANT, compare_all, holm, mcnemar

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_the_binomial_test_of_discordant_samples(first: int, second: int) -> None:
    expected = binomtest(first, first + second, 0.5).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(second, first) == mcnemar(first, second)


@pytest.mark.parametrize(("first", "second"), [(100_000, 101_000), (0, 2000), (500_000, 500_000)])
def test_mcnemar_of_many_samples(first: int, second: int) -> None:
    assert mcnemar(first, second) == pytest.approx(binomtest(first, first + second, 0.5).pvalue, rel=1e-6)


def test_fewer_discordant_samples_than_six_are_never_significant() -> None:
    assert all(mcnemar(0, n) > 0.05 for n in range(FEWEST_DISCORDANT))
    assert mcnemar(0, FEWEST_DISCORDANT) <= 0.05


@given(P_VALUES, st.floats(0.001, 0.999))
def test_adjusted_values_reject_what_the_procedure_of_holm_rejects(values: list[float], alpha: float) -> None:
    """Step down from the smallest p-value, and stop at the first that is above alpha / (tests that are left)."""
    rejected = np.zeros(len(values), bool)
    for step, at in enumerate(np.argsort(values, kind="stable")):
        if values[at] * (len(values) - step) > alpha:
            break
        rejected[at] = True
    assert [value <= alpha for value in holm(values)] == rejected.tolist()


@given(P_VALUES)
def test_adjusted_values_are_no_smaller_and_in_the_same_order(values: list[float]) -> None:
    adjusted = np.array(holm(values))
    assert (adjusted >= values).all() and (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(values, kind="stable")]) >= 0).all()
    assert_allclose(adjusted.min(), min(1, len(values) * min(values)))


def test_one_test_needs_no_correction() -> None:
    assert holm([0.04]) == [0.04]
    assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 60), st.integers(0, 2**32))
def test_pairs_are_counted_from_both_sides(samples: int, seed: int) -> None:
    right = np.random.default_rng(seed).random((3, samples)) < 0.7
    pairs = compare_all(right, 0)
    assert set(pairs) == {(one, two) for one in range(3) for two in range(3) if one != two}
    for (one, two), found in pairs.items():
        other = pairs[two, one]
        assert found.difference == pytest.approx(right[one].mean() - right[two].mean(), abs=1e-12)
        assert found.only_first == other.only_second == int((right[one] & ~right[two]).sum())
        assert found.p == other.p == mcnemar(found.only_first, found.only_second)
        assert found.interval[0] <= found.difference + 1e-6 and found.interval[1] >= found.difference - 1e-6
        assert_allclose(found.interval, (-other.interval[1], -other.interval[0]), atol=1e-6)


def test_interval_is_that_of_a_bootstrap_in_pairs() -> None:
    """Most samples are easy for both or hard for both, so the interval is far narrower than one of two test sets."""
    rng = np.random.default_rng(3)
    easy = rng.random(4000) < 0.8
    one, two = easy ^ (rng.random(4000) < 0.01), easy ^ (rng.random(4000) < 0.04)
    found = compare_all(np.stack([one, two]), 0)[0, 1]
    drawn = rng.integers(0, 4000, (4000, 4000))
    differences = np.array([(one[at].mean() - two[at].mean()) for at in drawn])
    assert_allclose(found.interval, np.percentile(differences, [2.5, 97.5]), atol=0.0015)
    apart = np.array([one[at].mean() for at in drawn]) - np.array([two[at].mean() for at in drawn[::-1]])
    assert np.ptp(np.percentile(apart, [2.5, 97.5])) > 2 * np.ptp(found.interval)


def test_models_that_are_right_on_the_same_samples_do_not_differ() -> None:
    right = np.tile(np.arange(50) % 3 > 0, (2, 1))
    found = compare_all(right, 0)[0, 1]
    assert (found.difference, found.interval, found.only_first, found.only_second, found.p) == (0, (0, 0), 0, 0, 1)


def test_equally_good_models_are_told_apart_in_one_comparison_of_twenty_at_most() -> None:
    rng = np.random.default_rng(0)
    discordant = rng.integers(0, 200, 4000)
    false_alarms = [
        mcnemar(first, total - first) <= 0.05
        for total, first in zip(discordant, rng.binomial(discordant, 0.5), strict=True)
    ]
    assert 0.02 < np.mean(false_alarms) < 0.05
