"""A registry: named components whose keyword-only parameters are their options."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
import typing
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError, create_model
from pydantic_core import InitErrorDetails, core_schema

from clfkit.errors import UnknownName
from clfkit.options import Options, closest, fault, meant, shown
from clfkit.plugins import load_entry_points

InputKind = Literal["vector", "image"]
"""What one sample is: a row of features, or a picture (channels × height × width)."""

S = TypeVar("S", bound=Options)
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Component(Generic[S]):
    """A chosen member of a registry with its validated options. `S` holds those that all members share."""

    name: str
    options: S

    def plain(self) -> str | dict[str, Any]:
        """As it would stand in a YAML file with nothing left to defaults."""
        options = plain(self.options)
        return {"name": self.name, **options} if options else self.name


@dataclass(frozen=True)
class Entry(Generic[S]):
    """One registered component: the function, its options, and what it makes or needs."""

    name: str
    function: Callable[..., Any]
    options: type[S]
    own: tuple[str, ...]  # the options that stand in the function's own signature
    inputs: InputKind | None  # kind of samples made (datasets) or needed (the others); None: any
    classes: int | str | None  # number of classes made or needed; a string names the option that says it

    @property
    def doc(self) -> str:
        """The docstring without its list of options."""
        return (inspect.getdoc(self.function) or "").split("\nOptions:")[0].strip()

    @property
    def summary(self) -> str:
        """The first sentence of the docstring."""
        return " ".join(self.doc.split("\n\n")[0].split())


class Registry(Generic[S]):
    """Components of one kind, found in one folder of the package at the first look-up.

    Annotating a pydantic field with a registry (`Annotated[Component[S], registry]`) makes that field accept
    `{name: …, **options}` or a bare name, and hold a `Component`. Every member must have the options `required`.
    """

    def __init__(
        self, kind: str, package: str, shared: type[S], default: str | None = None, required: tuple[str, ...] = ()
    ) -> None:
        self.kind = kind
        self.package = package
        self.shared = shared
        self.default = default
        self.required = required
        self._entries: dict[str, Entry[S]] = {}
        self._discovered = False

    def register(
        self, name: str, *, inputs: InputKind | None = None, classes: int | str | None = None
    ) -> Callable[[F], F]:
        """Decorator that adds a function under `name`; its keyword-only parameters become its options.

        inputs and classes say what a dataset makes, or what any other component needs.
        Raises ValueError for a name that is taken, TypeError for options that are missing or have no type.
        """

        def add(function: F) -> F:
            if name in self._entries:
                taken = self._entries[name].function.__module__
                raise ValueError(f"{self.kind} {name!r} is registered twice: in {taken} and {function.__module__}")
            model, own = _options_of(function, name, self)
            self._entries[name] = Entry(name, function, model, own, inputs, classes)
            return function

        return add

    def names(self) -> list[str]:
        """All names, in alphabetical order."""
        self._discover()
        return sorted(self._entries)

    def entry(self, name: str) -> Entry[S]:
        """The component called `name`. Raises UnknownName, which lists the others."""
        self._discover()
        if name not in self._entries:
            raise UnknownName(f"unknown {self.kind} {shown(name)}; {meant(name, self._entries)}")
        return self._entries[name]

    def parse(self, value: object) -> Component[S]:
        """`{name: …, **options}`, a bare name, or a Component → a Component with every option validated.

        Raises pydantic's ValidationError with faults in plain words.
        """
        if isinstance(value, Component):
            if isinstance(value.options, self.entry(value.name).options):
                return value
            value = {"name": value.name, **plain(value.options)}
        if isinstance(value, str):
            value = {"name": value}
        if not isinstance(value, dict):
            raise fault(f"must be the name of a {self.kind}, or {{name: …}} with options, not {shown(value)}")
        options = dict(value)
        name = options.pop("name", self.default)
        if name is None:
            typo = next((key for key in options if closest(key, ["name"])), None)
            message = "unknown option; did you mean 'name'?" if typo else f"missing; {meant('', self.names())}"
            raise self._fault_at(typo or "name", message)
        if not isinstance(name, str):
            raise self._fault_at("name", f"must be the name of a {self.kind}, not {shown(name)}")
        try:
            entry = self.entry(name)
        except UnknownName as error:
            own = "" if closest(name, self.names()) else " (a component of your own needs --plugin FILE)"
            raise self._fault_at("name", f"{error}{own}") from None
        return Component(name, entry.options.model_validate(options))

    def build(self, component: Component[S], *context: Any) -> Any:
        """Call the component's function with `context` and the options of its own signature."""
        entry = self.entry(component.name)
        return entry.function(*context, **{name: getattr(component.options, name) for name in entry.own})

    def owners(self, option: str) -> list[str]:
        """The components that have an option of that name."""
        return [name for name in self.names() if option in self._entries[name].options.model_fields]

    def path_to(self, option: str) -> str | None:
        """Dotted path to an option of that name in any of the components, or None."""
        paths = (self._entries[name].options.path_to(option) for name in self.names())
        return next(filter(None, paths), None)

    def _fault_at(self, key: str, message: str) -> ValidationError:
        line: InitErrorDetails = {"type": fault(message), "loc": (key,), "input": None}
        return ValidationError.from_exception_data(self.kind, [line])

    def _discover(self) -> None:
        if self._discovered:
            return
        folder = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(folder.__path__):
            if not module.name.startswith("_"):
                importlib.import_module(f"{self.package}.{module.name}")
        load_entry_points()
        self._discovered = True  # last: after a failed import the next look-up fails too, instead of finding half

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        to_plain = core_schema.plain_serializer_function_ser_schema(lambda value: value.plain())
        return core_schema.no_info_plain_validator_function(self.parse, serialization=to_plain)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """JSON Schema of the field: any name alone, or one object per component."""
        choices: list[dict[str, Any]] = [{"enum": self.names()}]
        for name in self.names():
            entry = self._entries[name]
            inner = dict(handler(entry.options.__pydantic_core_schema__))
            while "$ref" in inner:
                inner = dict(handler.resolve_ref_schema(inner))
            inner["properties"] = {"name": {"const": name}, **inner.get("properties", {})}
            inner |= {"title": name, "description": entry.summary}
            if self.default != name:
                inner["required"] = ["name", *inner.get("required", [])]
            choices.append(inner)
        return {"anyOf": choices}


def plain(value: object) -> Any:
    """Options and components as plain dicts, lists and scalars, ready for YAML or JSON."""
    if isinstance(value, Component):
        return value.plain()
    if isinstance(value, Options):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def _options_of(function: Callable[..., Any], name: str, registry: Registry[S]) -> tuple[type[S], tuple[str, ...]]:
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
    registry: ClassVar[Registry[Any]]

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
