"""How large the pictures are, in which modes they come, and what becomes of them in a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from clfkit.checking.findings import Example, Fact, Finding
from clfkit.checking.near import plain
from clfkit.checking.pictures import GREY_MODES, MODES, Pictures
from clfkit.checking.samples import Samples
from clfkit.data.bundle import ImageFormat
from clfkit.wording import counted

HALF = 0.5


def size_facts(pictures: Pictures, image_format: ImageFormat | None) -> list[Fact]:
    """Sides and modes, and how much is resized where images come from files."""
    height, width = pictures["sides"][:, 0], pictures["sides"][:, 1]
    sizes = Counter(map(tuple, pictures["sides"].tolist()))
    (common, times), *_ = sizes.most_common(1)
    shorter, longer = np.minimum(height, width), np.maximum(height, width)
    sides = {"smallest": int(shorter.min()), "median": float(np.median(shorter)), "largest": int(longer.max())}
    if len(sizes) == 1:
        text = f"{common[0]} × {common[1]} pixels, all of them"
    else:
        share = f"; {times / len(pictures):.0%} are {common[0]} × {common[1]}" if times > 0.1 * len(pictures) else ""
        text = (
            f"shorter sides of {sides['smallest']:,} to {shorter.max():,} pixels (median {sides['median']:,.0f}), "
            f"longer ones up to {sides['largest']:,}{share}"
        )
    values = {"shorter": _spread(shorter), "longer": _spread(longer), "different": len(sizes)}
    facts = [Fact("sizes", text, values)]
    if image_format is not None:
        facts.append(_resized(pictures, image_format))
    modes = {MODES[code] or "other": int(times) for code, times in enumerate(np.bincount(pictures["mode"])) if times}
    ranked = sorted(modes.items(), key=lambda item: -item[1])
    facts.append(Fact("modes", ", ".join(f"{mode}: {times:,}" for mode, times in ranked), dict(ranked)))
    return facts


def size_findings(samples: Samples, pictures: Pictures, image_format: ImageFormat | None) -> Iterator[Finding]:
    """Pictures that show nothing, sizes and channels that fit the images badly."""
    if len(empty := np.flatnonzero(plain(pictures["thumb"]))):
        yield Finding(
            "plain", False, len(empty), f"{counted(len(empty), 'image')} of a single tone, showing nothing",
            "look at them, and remove those that are failures",
            [Example(places=(samples.place(row),)) for row in empty.tolist()],
        )  # fmt: skip
    if image_format is None:
        return
    small = int((_zoom(pictures, image_format) < 1).sum())
    if small > HALF * len(pictures):
        yield Finding(
            "enlarged", False, small,
            f"{counted(small, 'image')} smaller than data.size, {image_format.height} × {image_format.width}, blown up",
            "enlarging adds pixels and no detail: a smaller data.size costs less",
        )  # fmt: skip
    grey = np.isin(pictures["mode"], [MODES.index(mode) for mode in GREY_MODES])
    if image_format.channels == 3 and grey.all():
        yield Finding(
            "grey", False, len(pictures), "all images are grey, and read as colour",
            "data.channels: 1 takes a third of the memory and time",
        )  # fmt: skip


def _resized(pictures: Pictures, image_format: ImageFormat) -> Fact:
    zoom = _zoom(pictures, image_format)
    height, width = pictures["sides"][:, 0], pictures["sides"][:, 1]
    size = f"{image_format.height} × {image_format.width}"
    enlarged = float((zoom < 1).mean())
    if (np.abs(zoom - 1) < 1e-9).all():
        text = f"{size}, as they are"
    else:
        middle = float(np.median(zoom))
        how = f"reduced {middle:.3g} times" if middle >= 1 else f"enlarged {1 / middle:.3g} times"
        text = f"{size}: {how} at the median" + (f", {enlarged:.0%} enlarged" if 0 < enlarged < 1 else "")
    values = {
        "height": image_format.height, "width": image_format.width, "resize": image_format.resize,
        "reduced": _spread(zoom), "share_enlarged": enlarged,
    }  # fmt: skip
    if image_format.resize == "crop":
        cut = 1 - zoom**2 * image_format.height * image_format.width / (height * width.astype(np.float64))
        values["cut_off"] = _spread(np.maximum(cut, 0.0))
        if (most := float(np.median(cut))) > 0.005:
            text += f"; {most:.0%} of a picture is cut off at the median (data.resize: crop)"
    return Fact("become", text, values)


def _zoom(pictures: Pictures, image_format: ImageFormat) -> npt.NDArray[np.float64]:
    """How many pixels of a side become one (N,)."""
    ratios = pictures["sides"] / np.array([image_format.height, image_format.width])
    return np.asarray(ratios.min(axis=1) if image_format.resize == "crop" else np.sqrt(ratios.prod(axis=1)))


def _spread(values: npt.NDArray[Any]) -> dict[str, float]:
    return {"smallest": float(values.min()), "median": float(np.median(values)), "largest": float(values.max())}
