"""The HTML of an animation: a picture for each frame, and a slider that goes through them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from clfkit.pages import asset, digest, render
from clfkit.plots.frames import Animation

if TYPE_CHECKING:
    from markupsafe import Markup

SLOW = 1.0
"""Seconds that a frame stays at least for people who have asked for little motion."""


def slider(animation: Animation) -> Markup:
    """A piece of a page: pictures, slider, play button, with the style and the script that they need.

    Several may stand in one page. Everything is in the markup itself; without scripts the last frame is shown.
    """
    pictures = [(frame.caption, base64.b64encode(png).decode()) for frame, png in animation.pngs()]
    width, height = animation.images[0].size
    return render(
        "clfkit.plots", "templates/slider.html", title=animation.title, pictures=pictures, width=width, height=height,
        milliseconds=round(1000 * animation.seconds), slow=round(1000 * max(SLOW, animation.seconds)), script=_script(),
    )  # fmt: skip


def page(animation: Animation) -> str:
    """A whole page with the slider, which needs nothing from outside."""
    return str(
        render(
            "clfkit.plots", "templates/animation.html", heading=animation.heading, slider=slider(animation),
            digest=digest(_script()),
        )
    )  # fmt: skip


def _script() -> Markup:
    """The same for every animation, so that one digest allows it as often as it stands in a page."""
    return asset("clfkit.plots", "slider.js") + asset("clfkit.plots", "frames.js")
