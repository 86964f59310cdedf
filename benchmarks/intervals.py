"""Intervals of all metrics beside a loop over scikit-learn's: seconds for 1,000 resamples.

    python benchmarks/intervals.py [--samples 10000] [--classes 10] [--repeats 3]

The peer draws a resample, takes its rows and asks scikit-learn for the same metrics, one after another; it is given few
resamples, and its time is multiplied. Both take turns; the best of the repeats counts.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
from sklearn import metrics as peer

from clfkit.bootstrap import RESAMPLES, intervals
from clfkit.data.bundle import ClassMap
from clfkit.metrics import Predictions, score

PEER_RESAMPLES = 5


def predictions(samples: int, classes: int) -> Predictions:
    """Of a model that is right about four of five samples."""
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, samples)
    logits = random.normal(size=(samples, classes))
    logits[np.arange(samples), labels] += 2.5
    powers = np.exp(logits)
    names = tuple(f"class {number}" for number in range(classes))
    return Predictions(
        labels, (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32), ClassMap(names=names), 0.5
    )


def theirs(found: Predictions) -> None:
    """The metrics of `PEER_RESAMPLES` resamples."""
    random, samples = np.random.default_rng(0), len(found.labels)
    classes = range(found.probabilities.shape[1])
    probabilities = found.probabilities.astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    for _ in range(PEER_RESAMPLES):
        rows = random.integers(0, samples, samples)
        true, shares = found.labels[rows], probabilities[rows]
        said = shares.argmax(axis=1)
        peer.accuracy_score(true, said)
        peer.balanced_accuracy_score(true, said)
        for average in ("macro", "weighted"):
            peer.precision_recall_fscore_support(true, said, labels=classes, average=average, zero_division=np.nan)
        peer.precision_recall_fscore_support(true, said, labels=classes, zero_division=np.nan)
        peer.matthews_corrcoef(true, said)
        peer.cohen_kappa_score(true, said)
        peer.roc_auc_score(true, shares, multi_class="ovr", labels=classes)
        peer.average_precision_score(np.eye(len(classes))[true], shares)
        peer.log_loss(true, shares, labels=classes)
        peer.brier_score_loss(true, shares, labels=classes)
        peer.top_k_accuracy_score(true, shares, k=min(5, len(classes) - 1), labels=classes)


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("samples", 10_000), ("classes", 10), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    found = predictions(options.samples, options.classes)
    names = list(score(found))
    ours, others = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(options.repeats):
            ours.append(seconds(lambda: intervals(found, names, seed=0)))
            others.append(seconds(lambda: theirs(found)) * RESAMPLES / PEER_RESAMPLES)
    print(f"clfkit, {len(names)} metrics and every class  {min(ours):8.2f} s")
    print(f"scikit-learn in a loop                 {min(others):8.2f} s  {min(others) / min(ours):6.1f} ×")


if __name__ == "__main__":
    main()
