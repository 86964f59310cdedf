"""The temperature of probabilities: what it is fitted to, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from clfkit import calibration
from clfkit.calibration import HOTTEST, fit_temperature, tempered


def drawn(temperature: float, samples: int = 20_000, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of a model that is too sure by that factor, and labels that follow the true ones."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (samples, classes))
    true = softmax(logits, axis=1)
    labels = (true.cumsum(axis=1) > rng.random((samples, 1))).argmax(axis=1)
    return softmax(logits * temperature, axis=1).astype(np.float32), labels


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_that_made_a_model_too_sure_is_found(temperature: float) -> None:
    assert fit_temperature(*drawn(temperature)) == pytest.approx(temperature, rel=0.05)


def test_it_has_the_least_log_loss() -> None:
    probabilities, labels = drawn(1.7, samples=500)

    def loss(at: np.ndarray) -> float:
        logs = log_softmax(np.log(probabilities) / at[0], axis=1)
        return -logs[np.arange(len(labels)), labels].sum() + np.log(at[0]) ** 2 / (2 * 0.5**2)

    best = minimize(loss, [1.0], method="Nelder-Mead", options={"xatol": 1e-6}).x[0]
    assert fit_temperature(probabilities, labels) == pytest.approx(best, rel=2e-3)


def test_tempered_probabilities_are_those_of_the_divided_logits() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (50, 6))
    found = tempered(softmax(logits, axis=1).astype(np.float32), 2.0)
    np.testing.assert_allclose(found, softmax(logits / 2, axis=1), rtol=1e-5)
    assert (found.argmax(axis=1) == logits.argmax(axis=1)).all()


def test_certainty_stays_finite() -> None:
    certain = np.eye(3, dtype=np.float32)
    assert fit_temperature(certain, np.arange(3)) == pytest.approx(1, rel=0.01)
    assert fit_temperature(certain, np.array([1, 2, 0])) == pytest.approx(HOTTEST, rel=0.01)
    assert np.isfinite(tempered(certain, HOTTEST)).all()


@pytest.mark.parametrize("samples", [1, 18, 1000])
def test_samples_without_a_mistake_make_nobody_certain(samples: int) -> None:
    said = np.random.default_rng(0).integers(0, 3, samples)
    valid = np.full((samples, 3), 0.03, np.float32)
    valid[np.arange(samples), said] = 0.94
    found = fit_temperature(valid, said)
    assert 0.15 < found < 1
    assert 0.94 < tempered(valid, found).max() < 1 - 1e-9


def test_the_classes_may_change_places() -> None:
    probabilities, labels = drawn(3.0, samples=400, classes=2)
    assert fit_temperature(probabilities, labels) == fit_temperature(probabilities[:, ::-1], 1 - labels)


def test_a_hot_model_in_blocks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    probabilities, _ = drawn(2.0, samples=50)
    whole = tempered(probabilities, 1.5)
    monkeypatch.setattr(calibration, "AT_ONCE", 4 * 7)
    assert np.array_equal(whole, tempered(probabilities, 1.5))


def test_of_very_many_probabilities_some_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    probabilities, labels = drawn(2.0)
    monkeypatch.setattr(calibration, "MOST_NUMBERS", 5_000 * 4)
    assert fit_temperature(probabilities, labels) == pytest.approx(2.0, rel=0.1)
