"""The look that all figures share: readable on paper, in grey, and by people who see few colours."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import IndexArray
from clfkit.wording import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Paul Tol's bright scheme (2018) and three of his other colours, so that neighbours differ in lightness too.
COLOURS = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee",
    "#aa3377", "#bbbbbb", "#ee7733", "#332288", "#009988",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<")
LOOKS = math.lcm(len(COLOURS), len(MARKERS))
"""Number of different pairs of colour and marker; class `LOOKS` looks like class 0 again."""

LEGEND_CLASSES = 12
"""Most classes that a legend names."""

WRONG = "#bb2233"
RIGHT = "#227733"


@contextmanager
def styled() -> Iterator[None]:
    """Draw with clfkit's settings, whatever the user's matplotlibrc says.

    Class names may be of any script; what the font lacks is drawn as a box, without a warning for each.
    """
    from cycler import cycler
    from matplotlib import rc_context

    settings: dict[Any, Any] = {
        "figure.dpi": 120,
        "savefig.dpi": "figure",
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
        "legend.framealpha": 0.85,
        "legend.edgecolor": "white",
        "legend.fancybox": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "clfkit",
    }
    with rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)
        yield


@contextmanager
def arranged(figure: Figure) -> Iterator[None]:
    """Find the layout of a figure, once for all the formats that it is saved in.

    As long as a figure has a layout engine, or only the placeholder of one, `savefig` draws it twice.
    """
    from matplotlib import rc_context

    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    with rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):
        figure.set_layout_engine(None)
        yield


def label(text: str, limit: int = 24) -> str:
    """Any text as a label of at most `limit` characters: no control characters, no formulas between dollars.

    Long names lose their middle, since what tells them apart stands as often at the end as at the start.
    """
    shown = printable(text, 10 * limit)
    if len(shown) > limit:
        shown = shown[: limit // 2 - 1] + "…" + shown[len(shown) - (limit - limit // 2) :]
    if shown.startswith("_"):  # matplotlib leaves labels that begin with an underscore out of legends
        shown = " " + shown
    return shown.replace("$", r"\$") or "(empty)"


def percent(share: float, digits: int = 1) -> str:
    """A share as `97.3 %`; a dash when it is undefined."""
    return "–" if math.isnan(share) else f"{100 * share:.{digits}f} %"


def thinned(count: int, limit: int) -> IndexArray:
    """The indices 0 … count - 1, or `limit` of them evenly spread."""
    return np.linspace(0, count - 1, min(count, limit)).round().astype(np.int64)


def light(classes: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """The colour of each class, blended with white, for areas: shape (…, 3)."""
    from matplotlib.colors import to_rgb

    palette = np.array([to_rgb(colour) for colour in COLOURS])
    lighter: npt.NDArray[np.float64] = (1 - 0.35 * (1 - palette))[classes % len(COLOURS)]
    return lighter


def scatter(
    axes: Axes,
    points: npt.NDArray[np.floating],
    labels: IndexArray,
    *,
    hollow: bool = False,
    size: float = 18,
) -> None:
    """Points (N, 2), coloured and shaped by class, in one call of matplotlib for each look."""
    looks = labels % LOOKS
    for look in np.unique(looks):
        colour, marker = COLOURS[look % len(COLOURS)], MARKERS[look % len(MARKERS)]
        at = points[looks == look]
        axes.scatter(
            at[:, 0], at[:, 1], s=size, marker=marker, facecolors="white" if hollow else colour,
            edgecolors=colour if hollow else "white", linewidths=1.0 if hollow else 0.4, rasterized=True,
        )  # fmt: skip
