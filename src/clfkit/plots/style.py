"""The look that all figures share: readable on paper, in grey, and by people who see few colours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

# Paul Tol's bright scheme (2018), ordered so that neighbours differ in lightness too.
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")


@contextmanager
def styled() -> Iterator[None]:
    """Draw with clfkit's settings, whatever the user's matplotlibrc says."""
    from cycler import cycler
    from matplotlib import rc_context

    with rc_context(
        {
            "figure.dpi": 120,
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "font.family": "DejaVu Sans",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.prop_cycle": cycler(color=COLOURS),
            "axes.grid": False,
            "grid.alpha": 0.3,
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "svg.fonttype": "none",
            "svg.hashsalt": "clfkit",
        }
    ):
        yield
