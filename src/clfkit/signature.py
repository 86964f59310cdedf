"""A function's signature as options: its keyword-only parameters become a pydantic model."""

from __future__ import annotations

import inspect
import re
import sys
import typing
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import Field, create_model

from clfkit.options import Options

S = TypeVar("S", bound=Options)


class Kind(Protocol[S]):
    """What a signature must know of the registry that it is registered in."""

    kind: str
    shared: type[S]
    required: tuple[str, ...]

    def owners(self, option: str) -> list[str]:
        """The components that have an option of that name."""


def options_of(function: Callable[..., Any], name: str, registry: Kind[S]) -> tuple[type[S], tuple[str, ...]]:
    """The options of a function as a pydantic model on top of those that the registry's members share."""
    parameters = [p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for parameter in parameters:
        if parameter.annotation is parameter.empty:
            raise TypeError(f"option {parameter.name!r} of {registry.kind} {name!r} needs a type")
        if parameter.name == "name":
            raise ValueError(f"{registry.kind} {name!r} has an option called 'name', which is the component's own")
    written = SimpleNamespace(__annotations__={p.name: p.annotation for p in parameters})
    annotations = typing.get_type_hints(written, vars(sys.modules[function.__module__]), include_extras=True)
    texts = _described(function)
    fields: dict[str, Any] = {}
    for parameter in parameters:
        default = ... if parameter.default is parameter.empty else parameter.default
        field = Field(default, description=texts.get(parameter.name), validate_default=True)
        fields[parameter.name] = (annotations[parameter.name], field)
    attributes = {"__module__": __name__, "component": name, "registry": registry}
    base: Any = type(registry.shared.__name__, (_ComponentOptions, registry.shared), attributes)
    for missing in set(registry.required) - {*fields, *registry.shared.model_fields}:
        raise TypeError(f"{registry.kind} {name!r} needs an option {missing!r}")
    return create_model(f"{registry.kind}_{name}", __base__=base, **fields), tuple(fields)


class _ComponentOptions(Options):
    """What the options of every registered component can say about keys that are not theirs."""

    component: ClassVar[str]
    registry: ClassVar[Kind[Any]]

    @classmethod
    def unknown_option(cls, key: str) -> str:
        owners = cls.registry.owners(key)
        if owners:
            options = ", ".join(cls.model_fields) or "none"
            return (
                f"not an option of {cls.registry.kind} {cls.component!r} (it belongs to "
                f"{', '.join(map(repr, owners))}); {cls.component!r} has: {options}"
            )
        if not cls.model_fields:
            return f"unknown option; {cls.registry.kind} {cls.component!r} has none"
        return super().unknown_option(key)

    @classmethod
    def known(cls) -> list[str]:
        return ["name", *super().known()]


def _described(function: Callable[..., Any]) -> dict[str, str]:
    """The `Options:` block of a docstring as {name: text}."""
    doc = inspect.getdoc(function) or ""
    if "\nOptions:\n" not in doc:
        return {}
    texts: dict[str, str] = {}
    name = ""
    for line in doc.split("\nOptions:\n")[1].splitlines():
        if line and not line.startswith(" "):
            break
        if start := re.match(r"    (\w+): (.*)", line):
            name = start[1]
            texts[name] = start[2]
        elif name and line.strip():
            texts[name] += " " + line.strip()
    return {name: text.removesuffix(".") for name, text in texts.items()}
