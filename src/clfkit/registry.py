"""A registry: named components whose keyword-only parameters are their options."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType, ModuleType
from typing import Any, Generic, Literal, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import InitErrorDetails, core_schema

from clfkit.errors import UnknownName
from clfkit.options import Options, fault
from clfkit.plugins import load_entry_points
from clfkit.signature import options_of
from clfkit.wording import closest, meant, shown

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
    engine: str | None  # the engine that the function builds for; None: any
    accepts: Mapping[str, tuple[Any, ...]]  # the values that options elsewhere may have beside this component
    lower_is_better: bool  # of a metric
    snapshots: bool  # of a plot: it shows what `train.snapshots` keeps

    @property
    def doc(self) -> str:
        """The docstring without its list of options."""
        return (inspect.getdoc(self.function) or "").split("\nOptions:")[0].strip()

    @property
    def summary(self) -> str:
        """The first sentence of the docstring."""
        return " ".join(self.doc.split("\n\n")[0].split())


class Registry(Generic[S]):
    """Components of one kind, found in one folder of the package when they are looked up.

    A component stands in a file of its own name, as a rule: then only that file is imported. Where a name is not found
    so, and where all names are asked for, the whole folder is, and what is installed beside clfkit.

    Annotating a pydantic field with a registry (`Annotated[Component[S], registry]`) makes that field accept
    `{name: …, **options}` or a bare name, and hold a `Component`. Every member must have the options `required`.
    elsewhere: another registry whose names people give to this one, and what they are to write, with {} for the name.
    """

    def __init__(
        self,
        kind: str,
        package: str,
        shared: type[S],
        default: str | None = None,
        required: tuple[str, ...] = (),
        elsewhere: tuple[Registry[Any], str] | None = None,
    ) -> None:
        self.kind = kind
        self.package = package
        self.shared = shared
        self.default = default
        self.required = required
        self.elsewhere = elsewhere
        self._entries: dict[str, Entry[S]] = {}
        self._implementations: dict[tuple[str, str], Callable[..., Any]] = {}
        self._discovered: set[str] = set()

    def register(
        self,
        name: str,
        *,
        inputs: InputKind | None = None,
        classes: int | str | None = None,
        engine: str | None = "torch",
        accepts: Mapping[str, tuple[Any, ...]] = MappingProxyType({}),
        lower_is_better: bool = False,
        snapshots: bool = False,
    ) -> Callable[[F], F]:
        """Decorator that adds a function under `name`; its keyword-only parameters become its options.

        inputs and classes say what a dataset makes, or what any other component needs. engine: the one that a model,
        loss or optimizer is built for, None for any; of an engine, the one whose components it takes. accepts:
        `{"train.device": ("auto", "cpu")}` where options of the experiment must have one of these values beside this
        component. lower_is_better: of a metric, for whatever looks for the best epoch. snapshots: of a plot that shows
        what `train.snapshots` keeps.
        Raises ValueError for a name that is taken, TypeError for options that are missing or have no type.
        """

        def add(function: F) -> F:
            if name in self._entries:
                taken = self._entries[name].function.__module__
                raise ValueError(f"{self.kind} {name!r} is registered twice: in {taken} and {function.__module__}")
            model, own = options_of(function, name, self)
            self._entries[name] = Entry(
                name, function, model, own, inputs, classes, engine, accepts, lower_is_better, snapshots
            )
            return function

        return add

    def implement(self, name: str, *, engine: str) -> Callable[[F], F]:
        """Decorator that adds what another engine builds for `name`, called with the same options.

        Raises UnknownName, or ValueError when that engine has it already.
        """

        def add(function: F) -> F:
            self.entry(name)
            if self.serves(name, engine):
                raise ValueError(f"{self.kind} {name!r} is implemented twice for engine {engine!r}")
            self._implementations[engine, name] = function
            return function

        return add

    def names(self, engine: str | None = None) -> list[str]:
        """All names, or those that an engine can build, in alphabetical order."""
        self._discover()
        return sorted(name for name in self._entries if engine is None or self.serves(name, engine))

    def serves(self, name: str, engine: str) -> bool:
        """Whether that engine can build the component called `name`."""
        if self.entry(name).engine in (None, engine):
            return True
        self._discover_for(engine)
        return (engine, name) in self._implementations

    def entry(self, name: str) -> Entry[S]:
        """The component called `name`. Raises UnknownName, which lists the others."""
        self._find(name)
        if name not in self._entries:
            raise UnknownName(
                self._elsewhere(name) or f"unknown {self.kind} {shown(name)}; {meant(name, self._entries)}"
            )
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
            known = self._elsewhere(name) or closest(name, self.names())
            own = "" if known else " (a component of your own needs --plugin FILE)"
            raise self._fault_at("name", f"{error}{own}") from None
        return Component(name, entry.options.model_validate(options))

    def build(self, component: Component[S], *context: Any, engine: str | None = None) -> Any:
        """Call the component's function, or what `engine` has in its place, with `context` and its own options."""
        entry = self.entry(component.name)
        if engine is not None:
            self._discover_for(engine)
        function = self._implementations.get((engine or "", component.name), entry.function)
        return function(*context, **{name: getattr(component.options, name) for name in entry.own})

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

    def _elsewhere(self, name: str) -> str | None:
        """What to write for a name that belongs to another kind, or None."""
        if self.elsewhere is None or name not in self.elsewhere[0].names():
            return None
        other, form = self.elsewhere
        return f"{shown(name)} is a {other.kind}: {form.format(name)}"

    def _find(self, name: str) -> None:
        """Import the file called as the component that is looked for, or all files if there is none that has it."""
        if self.package not in self._discovered and name in self._files:
            importlib.import_module(f"{self.package}.{name}")
        if name not in self._entries:
            self._discover()

    @cached_property
    def _files(self) -> frozenset[str]:
        """The modules of the folder by name, without those that only serve others."""
        return frozenset(_modules(importlib.import_module(self.package)))

    def _discover(self) -> None:
        if self.package not in self._discovered:
            self._import_all(self.package)
            load_entry_points()
            self._discovered.add(self.package)  # last: after a failed import the next look-up fails too

    def _discover_for(self, engine: str) -> None:
        """Import an engine's own folder for this kind, if it has one: `clfkit.engines.scratch.optimizers`."""
        folder = f"clfkit.engines.{engine}"
        if engine in self._discovered or not engine.isidentifier():
            return
        self._discovered.add(engine)  # first: what is imported asks whether a name is taken
        if importlib.util.find_spec(folder):
            package = f"{folder}.{self.package.rpartition('.')[2]}"
            if importlib.util.find_spec(package):
                self._import_all(package)

    @staticmethod
    def _import_all(package: str) -> None:
        for name in _modules(importlib.import_module(package)):
            importlib.import_module(f"{package}.{name}")

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


def _modules(folder: ModuleType) -> list[str]:
    return [module.name for module in pkgutil.iter_modules(folder.__path__) if not module.name.startswith("_")]


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
