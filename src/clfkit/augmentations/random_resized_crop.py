"""Random resized crop: a part of each image, at the size of the whole."""

from __future__ import annotations

import numpy as np

from clfkit import rng
from clfkit.augmentations import Augmentation
from clfkit.augmentations._geometry import Geometric, Matrices, eyes
from clfkit.components import augmentations
from clfkit.data.bundle import DataSpec
from clfkit.options import Interval, Portions


class Crop(Geometric):
    """A window inside the image; it is never scaled down, so that nothing has to be smoothed."""

    def __init__(self, shape: tuple[int, ...], scale: tuple[float, float], ratio: tuple[float, float]) -> None:
        self._frame = np.array([shape[2], shape[1]], np.float64)
        self._scale, self._ratio = scale, np.log(ratio)

    def matrices(self, draws: rng.Streams) -> Matrices:
        drawn = draws.uniform(4)
        area = (self._scale[0] + (self._scale[1] - self._scale[0]) * drawn[:, 0]) * self._frame.prod()
        ratio = np.exp(self._ratio[0] + (self._ratio[1] - self._ratio[0]) * drawn[:, 1])
        window = np.minimum(np.sqrt(np.stack([area * ratio, area / ratio], axis=1)), self._frame)
        found = eyes(len(drawn))
        found[:, [0, 1], [0, 1]] = window / self._frame
        found[:, :2, 2] = (drawn[:, 2:] - 0.5) * (self._frame - window)
        return found


@augmentations.register("random_resized_crop", inputs="image")
def random_resized_crop(
    spec: DataSpec,
    *,
    scale: Portions = (0.08, 1.0),
    ratio: Interval = (0.75, 4 / 3),
) -> Augmentation:
    """A window of random size, form and place, enlarged to the whole image.

    As torchvision's RandomResizedCrop, but a window that is too wide or too high is cut to the image, not drawn again.

    Options:
        scale: smallest and largest share of the area.
        ratio: smallest and largest width over height of the window, in pixels.
    """
    return Crop(spec.shape, scale, ratio)
