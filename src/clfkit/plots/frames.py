"""An animation: frames of one size and one palette, as a GIF or as a page with a slider."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from clfkit.reporting import work

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

Pixels = npt.NDArray[np.uint8]
"""Colours from 0 to 255: (…, 3)."""

LAST_STAYS = 2.0  # seconds that a GIF rests on its last frame before it begins anew
PALETTE = 256  # colours of a GIF,
EXACT = 96  # of which so many are the most frequent ones
PLACES = np.array([1 << 16, 1 << 8, 1], np.uint32)  # of red, green and blue in one number


class Frame(NamedTuple):
    """One moment of training. epoch: 0 before it. caption: what it shows, in words. pixels: (H, W, 3) uint8."""

    epoch: int
    caption: str
    pixels: Pixels


@dataclass
class Animation:
    """Frames that are drawn when they are asked for, and only once.

    heading: of which run they are. title: what they show. source: draws them one by one, at least one and `count` at
    most. seconds: how long each one stays.
    """

    heading: str
    title: str
    source: Iterator[Frame]
    count: int
    seconds: float
    _drawn: list[Frame] = field(default_factory=list)
    _took: float = 0.0  # seconds, of the last one that was drawn

    def frames(self) -> Iterator[Frame]:
        """All frames, oldest first."""
        yield from self._drawn
        while self._draw_next():
            yield self._drawn[-1]

    def remaining(self) -> float:
        """Seconds that drawing the rest takes, judged by the second frame: the first one sets everything up."""
        while len(self._drawn) < 2 and self._draw_next():
            pass
        return self._took * (self.count - len(self._drawn))

    @cached_property
    def images(self) -> Sequence[Image]:
        """All frames as images that share one palette, so that no colour flickers."""
        pictures = []
        with work("drawing frames", self.count) as task:
            for frame in self.frames():
                pictures.append(frame.pixels)
                task.advance()
        return indexed(pictures)

    def gif(self) -> bytes:
        """A GIF that plays again and again, and rests on its last frame."""
        first, *others = self.images
        durations = [*[round(1000 * self.seconds)] * len(others), round(1000 * max(self.seconds, LAST_STAYS))]
        content = io.BytesIO()
        first.save(content, "GIF", save_all=True, append_images=others, duration=durations, loop=0, optimize=False)
        return content.getvalue()

    def pngs(self) -> Iterator[tuple[Frame, bytes]]:
        """Each frame, and its picture as a PNG file."""
        for image, frame in zip(self.images, self.frames(), strict=True):
            content = io.BytesIO()
            image.save(content, "PNG", optimize=True)
            yield frame, content.getvalue()

    def _draw_next(self) -> bool:
        start = time.perf_counter()
        frame = next(self.source, None)
        if frame is None:
            return False
        self._drawn.append(frame)
        self._took = time.perf_counter() - start
        return True


def captured(figure: Figure, moments: Iterator[tuple[int, str]]) -> Iterator[Frame]:
    """Frames of a figure that `moments` changes from one epoch to the next, of which it gives number and caption.

    The layout is that of the first one.
    """
    from PIL import Image

    from clfkit.plots.style import arranged, styled

    while True:
        with styled():  # not around `yield`: it is for this figure alone
            moment = next(moments, None)
            if moment is None:
                return
            with arranged(figure):
                figure.savefig(content := io.BytesIO(), format="png", pil_kwargs={"compress_level": 0})
        with Image.open(content) as image:
            yield Frame(*moment, np.asarray(image.convert("RGB")))


def indexed(pictures: Sequence[Pixels]) -> list[Image]:
    """Pictures as images of one palette, each pixel the colour of it that is nearest."""
    from PIL import Image

    codes = [picture.astype(np.uint32) @ PLACES for picture in pictures]
    counted: Counter[int] = Counter()
    for each in codes:
        found, counts = np.unique(each, return_counts=True)
        counted.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))
    ordered = np.array([code for code, _ in counted.most_common()], np.uint32)
    colours, nearest = _reduced((ordered[:, None] // PLACES % 256).astype(np.int32))
    index = np.zeros(1 << 24, np.uint8)  # of every colour there could be: the fastest way to look one up
    index[ordered] = nearest
    images = []
    for each in codes:
        image = Image.fromarray(index[each])
        image.putpalette(colours.astype(np.uint8).tobytes())
        images.append(image)
    return images


def _reduced(colours: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """At most 256 of the colours (N, 3), and for each colour (N,) which of them is nearest.

    colours: the most frequent one first. The first `EXACT` are chosen, so that areas keep their colours; then, one by
    one, the colour that is farthest from all chosen ones (Gonzalez 1985), so that a few small markers are not lost
    among the greys of letters.
    """
    chosen = list(range(min(EXACT, len(colours))))
    nearest = np.zeros(len(colours), np.uint8)
    distance = np.full(len(colours), np.iinfo(np.int32).max, np.int32)
    for place in range(PALETTE):
        if place == len(chosen):
            farthest = int(distance.argmax())
            if not distance[farthest]:
                break
            chosen.append(farthest)
        to_it = np.square(colours - colours[chosen[place]]).sum(axis=1, dtype=np.int32)
        nearest[to_it < distance] = place
        np.minimum(distance, to_it, out=distance)
    return colours[chosen], nearest
