"""HTML from templates: what comes from outside is text, never markup."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from clfkit.pages import digest, render

HOSTILE = "<script>alert(1)</script>\"'&"


def test_values_are_escaped_and_html_is_not() -> None:
    inner = render("clfkit.plots", "templates/animation.html", heading=HOSTILE, slider=HOSTILE, digest="")
    assert "<script" not in inner
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;" in inner
    assert inner in render("clfkit.plots", "templates/animation.html", heading="outer", slider=inner, digest="")


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="slider"):
        render("clfkit.plots", "templates/animation.html", heading="alone", digest="")


def test_a_digest_is_what_browsers_compare() -> None:
    assert (
        digest("alert('Hello, world.');") == "qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng="
    )  # of the policy's standard
