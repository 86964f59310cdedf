"""The running average of weights: how fast it follows them, and how a checkpoint holds both."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from clfkit.engines.base import Arrays

TRAINED, AVERAGINGS = "trained", "averagings"
"""Entries in an optimizer's arrays: the weights that training goes on with, and how often they were averaged."""


class Average(ABC):
    """a ← a + (1 - d) (w - a) after every step, for weights w and their average a.

    d = min(decay, (1 + t) / (10 + t)), where t counts the averagings so far. While it is small d is too, since the
    average would else hold the first, random weights for long (the rule of TensorFlow's ExponentialMovingAverage with
    num_updates). Running statistics of batch norm are averaged with the same d, so that they suit the averaged
    weights; counters stay those of training. The model holds w in training and a in evaluation: `show` changes places.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.count = 0
        self._shown = False

    def follow(self) -> None:
        """Take in the weights after a step."""
        self._blend(1 - min(self.decay, (1 + self.count) / (10 + self.count)))
        self.count += 1

    def show(self, averaged: bool) -> None:
        """Put the average into the model, or the weights that training goes on with."""
        if averaged != self._shown:
            self._swap()
            self._shown = averaged

    def restart(self, count: int = 0) -> None:
        """Begin anew from the weights that the model holds. count: averagings that they stand for."""
        self.count, self._shown = count, False
        self._blend(1.0)

    @abstractmethod
    def _blend(self, share: float) -> None:
        """a ← a + share (w - a); exactly w for 1."""

    @abstractmethod
    def _swap(self) -> None:
        """Exchange w and a."""


def join(moments: Arrays, trained: Arrays, average: Average) -> Arrays:
    """An optimizer's arrays with the weights that training goes on with, as `name/entry` like all others."""
    weights = {f"{name}/{TRAINED}": array for name, array in trained.items()}
    return {**moments, **weights, **{f"{name}/{AVERAGINGS}": np.array(average.count) for name in trained}}


def separate(optimizer: Arrays) -> tuple[Arrays, Arrays, int]:
    """What `join` put together: moments, trained weights (none without an average) and number of averagings."""
    kept: dict[str, Arrays] = {TRAINED: {}, AVERAGINGS: {}}
    moments: Arrays = {}
    for key, array in optimizer.items():
        name, _, entry = key.rpartition("/")
        if entry in kept:
            kept[entry][name] = array
        else:
            moments[key] = array
    return moments, kept[TRAINED], max(map(int, kept[AVERAGINGS].values()), default=0)


def without_moments(optimizer: Arrays) -> Arrays:
    """What another optimizer can take over: the weights that were trained, where the model is their average."""
    return {key: array for key, array in optimizer.items() if key.rpartition("/")[2] in (TRAINED, AVERAGINGS)}
