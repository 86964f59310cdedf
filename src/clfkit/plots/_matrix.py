"""A confusion matrix on axes that stay, whose cells can be shown anew for other predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import IndexArray
from clfkit.plots.style import label, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.text import Text

PERCENT_CLASSES = 12  # up to so many classes a cell holds count and percentage,
COUNT_CLASSES = 20  # up to so many the count
MERGED_ROWS = 200


@dataclass
class Matrix:
    """The cells of a matrix. starts: the first class of each merged row, or None where every class has its own."""

    axes: Axes
    image: AxesImage
    classes: int
    starts: IndexArray | None = None
    written: list[Text] = field(default_factory=list)

    def show(self, labels: IndexArray, predicted: IndexArray) -> None:
        """Show the predictions (N,) of samples whose classes are `labels` (N,), instead of what was shown before."""
        while self.written:
            self.written.pop().remove()
        if self.starts is not None:
            self.image.set_data(np.ma.masked_equal(_merged(labels, predicted, self.starts), 0))
            return
        counts = np.bincount(labels * self.classes + predicted, minlength=self.classes**2)
        counts = counts.reshape(self.classes, self.classes)
        self.image.set_data(_shares(counts))
        if self.classes <= COUNT_CLASSES:
            self.written = _write_counts(self.axes, counts)


def named_matrix(figure: Figure, axes: Axes, names: Sequence[str]) -> Matrix:
    """An empty matrix with the class's name at every row and column; rows without samples are grey."""
    import matplotlib

    colours = matplotlib.colormaps["Blues"].with_extremes(bad="#dddddd")
    image = axes.imshow(np.zeros((len(names), len(names))), cmap=colours, vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.6, pad=0.02)
    ticks = np.arange(len(names))
    small = 10 if len(names) <= COUNT_CLASSES else 7
    written = [label(name) for name in names]
    flat = max(map(len, written)) * len(names) <= 40
    axes.set_xticks(ticks, written, fontsize=small, rotation=0 if flat else 90)
    axes.set_yticks(ticks, written, fontsize=small)
    axes.tick_params(length=0)
    axes.set_xticks(ticks[1:] - 0.5, minor=True)
    axes.set_yticks(ticks[1:] - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=0.5, alpha=1)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    return Matrix(axes, image, len(names))


def merged_matrix(figure: Figure, axes: Axes, classes: int, labels: IndexArray, predicted: IndexArray) -> Matrix:
    """An empty matrix by class index, with so many rows merged that a cell stays visible.

    labels, predicted: (N,) the predictions with the largest counts that will be shown, which the scale ends with.
    Samples are counted by merged row and column, since the whole matrix of many classes does not fit anywhere.
    """
    import matplotlib
    from matplotlib.colors import ListedColormap, LogNorm
    from matplotlib.ticker import LogLocator

    rows = min(classes, MERGED_ROWS)
    starts = np.arange(rows) * classes // rows
    colours = ListedColormap(matplotlib.colormaps["Blues"](np.linspace(0.35, 1, 256)))  # all darker than white
    norm = LogNorm(1, max(2, int(_merged(labels, predicted, starts).max())))
    extent = (-0.5, classes - 0.5, classes - 0.5, -0.5)
    empty = np.ma.masked_equal(np.zeros((rows, rows)), 0)
    image = axes.imshow(empty, cmap=colours, norm=norm, extent=extent, interpolation="nearest")
    side = f"{classes / rows:.0f}"
    what = f"samples in a cell of about {side}×{side} classes" if rows < classes else "samples"
    bar = figure.colorbar(
        image, ax=axes, label=f"{what} (logarithmic)", shrink=0.6, pad=0.02, ticks=LogLocator(subs=(1, 2, 5)),
        format="{x:g}",
    )  # fmt: skip
    bar.minorticks_off()
    return Matrix(axes, image, classes, starts)


def _merged(labels: IndexArray, predicted: IndexArray, starts: IndexArray) -> IndexArray:
    true, said = (np.searchsorted(starts, at, side="right") - 1 for at in (labels, predicted))
    counts: IndexArray = np.bincount(true * len(starts) + said, minlength=len(starts) ** 2)
    return counts.reshape(len(starts), len(starts))


def _shares(counts: IndexArray) -> npt.NDArray[np.float64]:
    """Counts as shares of their row; NaN in the row of a class without samples."""
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.full(counts.shape, np.nan)
    np.divide(counts, totals, out=shares, where=totals > 0)
    return shares


def _write_counts(axes: Axes, counts: IndexArray) -> list[Text]:
    """The count in every cell, with its percentage of the row when there is room."""
    shares = _shares(counts)
    roomy = len(counts) <= PERCENT_CLASSES
    written = []
    for (row, column), count in np.ndenumerate(counts):
        share = float(shares[row, column])
        text = (f"{count:,}" + f"\n{_rounded(share)}" * roomy) if count else "·"
        colour = "white" if share > 0.5 else "black"
        written.append(axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9 if roomy else 8))
    return written


def _rounded(share: float) -> str:
    """A percentage without decimals, which is 0 or 100 only where it is exactly that."""
    if 0 < share < 0.005:
        return "< 1 %"
    return "> 99 %" if 0.995 < share < 1 else percent(share, 0)
