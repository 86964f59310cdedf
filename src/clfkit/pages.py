"""HTML from templates: every value that is put in is escaped, unless it is HTML already."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from clfkit.wording import printable

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

Filters = Mapping[str, Callable[[Any], object]]
"""Functions that a template may put values through, by name."""


def render(package: str, template: str, filters: Filters = MappingProxyType({}), **values: Any) -> Markup:
    """A package's template, filled in. A value that the template names and nobody gives is an error.

    Control characters of text, and those that turn its direction, are written out.
    """
    from markupsafe import Markup

    prepared = _template(package, template, tuple(filters.items()))
    return Markup(prepared.render(**values))  # escaped by the environment


@cache
def _template(package: str, template: str, filters: tuple[tuple[str, Callable[[Any], object]], ...]) -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=visible
    )
    environment.filters.update(filters)
    return environment.from_string((files(package) / template).read_text(encoding="utf-8"))


def visible(value: Any) -> Any:
    """A text or path whose characters can all be seen; anything else, HTML too, as it is."""
    return printable(str(value), None) if type(value) is str or isinstance(value, PurePath) else value


def asset(package: str, name: str) -> Markup:
    """A style or a script of our own, from the templates of a package, that is put in as it is."""
    from markupsafe import Markup

    return Markup((files(package) / "templates" / name).read_text(encoding="utf-8"))


def digest(script: str) -> str:
    """What a page's policy names a script by, after `sha256-`, to allow this one and no other."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def as_script(value: Any) -> Markup:
    """JSON that may stand inside of a script element: nothing in it can end the element or begin a comment."""
    from markupsafe import Markup

    text = json.dumps(value, separators=(",", ":"), allow_nan=False)  # what is beyond ASCII is escaped by it
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
