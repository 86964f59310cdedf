"""One image of a dataset as a picture in a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def show_picture(axes: Axes, image: npt.NDArray[np.generic]) -> None:
    """Draw pixels (channels, height, width) from 0 to 255, grey or colour, without ticks."""
    pixels = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255)
    axes.set_xticks([])
    axes.set_yticks([])
