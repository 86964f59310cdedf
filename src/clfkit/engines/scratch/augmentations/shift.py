"""Shift: images moved by a few whole pixels."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from clfkit import rng
from clfkit.augmentations import Augmentation
from clfkit.augmentations.shift import PADDINGS, check_room
from clfkit.components import augmentations
from clfkit.data.bundle import DataSpec
from clfkit.engines.scratch.memory import Array


@augmentations.implement("shift", engine="scratch")
def shift(spec: DataSpec, *, pixels: int, padding: str) -> Augmentation:
    """Every image is one window of itself in a frame."""
    check_room(spec, pixels)

    def shifted(images: Array, draws: rng.Streams) -> Array:
        places = draws.whole(2, 2 * pixels + 1)
        frame = ((0, 0), (0, 0), (pixels, pixels), (pixels, pixels))
        windows = sliding_window_view(np.pad(images, frame, mode=PADDINGS[padding]), images.shape[2:], (2, 3))
        moved: Array = windows[np.arange(len(images)), :, places[:, 0], places[:, 1]]
        return moved

    return shifted
