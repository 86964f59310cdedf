"""The figures at the end of a run: each fails by itself, and what was drawn is told with its time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Literal

from clfkit.attempts import Attempts
from clfkit.classifier import Classifier
from clfkit.plots import NothingToDraw, TakesLong, draw_all, suitable
from clfkit.reporting import Audience, heard_by

PATIENCE = 10.0
"""Seconds that an animation which nobody has asked for may take."""
WORTH_A_WORD = 2.0
"""Seconds from which figures that take longer than the training did are spoken of."""


def draw_figures(
    classifier: Classifier,
    chosen: Literal["auto"] | Sequence[str],
    attempts: Attempts,
    audience: Audience,
    at_work: Callable[[], AbstractContextManager[object]],
    trained: float,
) -> None:
    """Draw what a config asks for into the run's folder.

    at_work: within it the engine computes. trained: seconds of the training, for people to compare with.
    """
    names: Sequence[str] = suitable(classifier) if chosen == "auto" else chosen
    if not names:
        return
    asked = chosen != "auto"
    audience.say("drawing figures")
    began, drawn = time.monotonic(), []
    for name in names:
        cure = f"clfkit plot {name} {classifier.run.path if classifier.run else ''}"
        with heard_by(audience), attempts.at(f"figure {name!r}", cure), at_work():
            for _, result in draw_all(classifier, [name], math.inf if asked else PATIENCE):
                if not isinstance(result, NothingToDraw):
                    drawn.append(name)
                elif asked or isinstance(result, TakesLong):
                    audience.say(f"no figure {name!r}: {result}")
    if drawn:
        audience.say(_told(drawn, time.monotonic() - began, math.inf if asked else trained))


def _told(drawn: Sequence[str], seconds: float, trained: float) -> str:
    """`drew curves, steps in 1.2 s`, and of figures that nobody chose and that took long how to choose."""
    hint = f"; `plots: [{drawn[0]}]` in the config draws that alone, `plots: []` none"
    return f"drew {', '.join(drawn)} in {seconds:.1f} s" + hint * (seconds > max(trained, WORTH_A_WORD))
