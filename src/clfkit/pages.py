"""HTML from templates: every value that is put in is escaped, unless it is HTML already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup

Filters = Mapping[str, Callable[[Any], object]]
"""Functions that a template may put values through, by name."""


def render(package: str, template: str, filters: Filters = MappingProxyType({}), **values: Any) -> Markup:
    """A package's template, filled in. A value that the template names and nobody gives is an error."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(filters)
    text = (files(package) / template).read_text(encoding="utf-8")
    return Markup(environment.from_string(text).render(**values))  # escaped by the environment
