"""The figure of a learning-rate range test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clfkit.plots.style import COLOURS, label, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from clfkit.range_test import RangeTest


def draw_range_test(test: RangeTest, name: str) -> Figure:
    """Loss against learning rate on a logarithmic axis, with the suggested rate and that of the config.

    name: of the experiment.
    """
    from matplotlib.figure import Figure

    with styled():
        figure = Figure(figsize=(6.4, 4.2))
        axes = figure.subplots()
        axes.plot(test.rates, test.losses, color=COLOURS[6], linewidth=0.8, label="loss of each train batch")
        axes.plot(test.rates, test.smoothed, color=COLOURS[0], linewidth=1.8, label="smoothed")
        if test.suggestion is not None:
            at = float(np.interp(np.log(test.suggestion), np.log(test.rates), test.smoothed))
            axes.axvline(test.suggestion, color=COLOURS[1], linewidth=1.2)
            axes.plot([test.suggestion], [at], "o", color=COLOURS[1], label=f"suggested: {test.suggestion:g}")
        axes.axvline(test.current, color=COLOURS[8], linewidth=1.0, linestyle=":", label=f"now: {test.current:g}")
        axes.set_xscale("log")
        if len(test.losses):  # a loss that explodes would flatten all before it
            low, start = float(test.losses.min()), float(test.smoothed[0])
            height = start - low or 1.0
            axes.set_ylim(low - 0.1 * height, start + 0.3 * height)
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss")
        axes.set_title(f"Learning-rate range test of {label(name, 40)}")
        figure.legend(loc="outside lower center", ncols=2)
    return figure
