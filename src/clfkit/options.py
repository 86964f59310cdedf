"""Options: strict, frozen pydantic models whose faults read as plain sentences."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    ValidationError,
    WrapValidator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from clfkit.wording import SYNONYMS, closest, meant, shown

M = TypeVar("M")
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
"""A share of something: at least 0, below 1."""

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
"""How often something happens: 0 is never, 1 always."""

Concentration = Annotated[float, Field(gt=0.0, le=1.0)]
"""The α of Beta(α, α): near 0 all values are near 0 or 1, at 1 all are equally likely."""


@dataclass(frozen=True)
class Needs:
    """Marks an option that does nothing by itself, as `Annotated[float, Needs("momentum", lambda group: …)]`.

    what: what it needs, in words. met: whether the group of options that it belongs to has that.
    """

    what: str
    met: Callable[[Any], bool]


@dataclass(frozen=True)
class Note:
    """Marks an option that may be meant as it is, and yet deserves a word at the start of a run.

    word: of the group of options that it belongs to and the epochs of the run; None where there is nothing to say.
    """

    word: Callable[[Any, int], str | None]


@dataclass(frozen=True)
class FirstWeights:
    """Marks an option that names weights to start from, as `Annotated[str | None, FirstWeights()] = None`.

    Where a checkpoint's weights follow, to predict or to resume, the option has its default instead.
    """


def fault(message: str) -> PydanticCustomError:
    """A validation error with our own final wording."""
    return PydanticCustomError("clfkit", "{message}", {"message": message})


class Options(BaseModel):
    """A group of options. Unknown keys, wrong types, NaN and infinities are refused; values are frozen.

    Lists arrive as tuples. Numbers are not parsed from strings, and booleans are not numbers.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @classmethod
    def unknown_option(cls, key: str) -> str:
        """What to say about a key that this group does not have."""
        head = key.split(".")[0]
        if head != key and head in cls.model_fields:
            return f"unknown option; dots nest with --set only: write {head}: and its options indented below it"
        for word in (key, SYNONYMS.get(key, key)):
            inner = cls.path_to(word)
            if inner and inner != word:
                return f"unknown option; did you mean {inner!r}?"
        return f"unknown option; {meant(key, cls.known())}"

    def without_effect(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Key path and complaint for every option, at any depth, that was set and does nothing: see `Needs`."""
        for path, group, need in self.marks(Needs):
            name = str(path[-1])
            if getattr(group, name) != type(group).model_fields[name].default and not need.met(group):
                yield path, f"has no effect without {need.what}"

    def notes(self, epochs: int) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Key path and word for every option, at any depth, that deserves one in a run of that length: see `Note`."""
        for path, group, note in self.marks(Note):
            if word := note.word(group, epochs):
                yield path, word

    def marks(self, kind: type[M]) -> Iterator[tuple[tuple[str | int, ...], Options, M]]:
        """Key path, group and mark of every option, at any depth, that is annotated with a mark of that kind."""
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            yield from (((name,), self, mark) for mark in field.metadata if isinstance(mark, kind))
            items = enumerate(value) if isinstance(value, tuple) else [(None, value)]
            for index, item in items:
                group = getattr(item, "options", item)  # a component holds its options
                if isinstance(group, Options):
                    place: tuple[str | int, ...] = (name,) if index is None else (name, index)
                    yield from (((*place, *path), owner, mark) for path, owner, mark in group.marks(kind))

    @classmethod
    def known(cls) -> list[str]:
        """Every key that this group may hold."""
        return list(cls.model_fields)

    @classmethod
    def path_to(cls, key: str) -> str | None:
        """Dotted path to an option of that name, in this group or anywhere inside it, or None."""
        if key in cls.model_fields:
            return key
        parts = [
            (name, part)
            for name, field in cls.model_fields.items()
            for part in (field.annotation, *typing.get_args(field.annotation), *field.metadata)
            if hasattr(part, "path_to")
        ]
        for name, part in sorted(parts, key=lambda item: not isinstance(item[1], type)):  # groups, then registries
            inner = part.path_to(key)
            if inner:
                return f"{name}.{inner}"
        return None

    @model_validator(mode="wrap")
    @classmethod
    def _plain_words(cls, value: object, handler: Callable[[object], Any]) -> Any:
        if value is None:
            raise fault("empty; leave it out for the defaults, or indent its options below it")
        if not isinstance(value, (dict, cls)):
            raise fault(f"must be a group of options ({', '.join(cls.model_fields)}), not {shown(value)}")
        try:
            return handler(value)
        except ValidationError as error:
            _raise_in_plain_words(error, cls)


def one_of(wording: str) -> WrapValidator:
    """Annotates a union so that a value fitting none of its members gives one fault: "must be `wording`"."""

    def check(value: object, handler: Callable[[object], Any]) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            deeper = [line for line in error.errors() if line["type"] == "clfkit" and isinstance(value, dict)]
            if deeper:
                raise
            raise fault(f"must be {wording}, not {shown(value)}") from None

    return WrapValidator(check)


def _rising(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("the smaller one comes first")
    return bounds


Interval = Annotated[
    tuple[PositiveFloat, PositiveFloat],
    AfterValidator(_rising),
    one_of("[smallest, largest], two numbers above 0"),
]
"""Smallest and largest value of something that is drawn."""

Portion = Annotated[float, Field(gt=0.0, le=1.0)]
Portions = Annotated[
    tuple[Portion, Portion], AfterValidator(_rising), one_of("[smallest, largest], two numbers above 0 up to 1")
]
"""Smallest and largest share of a whole."""


def _raise_in_plain_words(error: ValidationError, model: type[Options]) -> NoReturn:
    lines: list[InitErrorDetails] = []
    found = error.errors(include_url=False)
    typos = {closest(str(line["loc"][-1]), model.known()) for line in found if line["type"] == "extra_forbidden"}
    for line in found:
        if line["type"] == "missing" and line["loc"][-1] in typos:
            continue  # the fault of the misspelled key names this one
        if line["type"] == "too_short" and any(_inside(other["loc"], line["loc"]) for other in found):
            continue  # pydantic did not count the entries that have faults of their own
        if line["type"] == "clfkit":
            message = line["msg"]
        elif line["type"] == "extra_forbidden":
            message = model.unknown_option(str(line["loc"][-1]))
        else:
            message = _explain(line["type"], line["msg"], line["input"], line.get("ctx", {}))
        lines.append(InitErrorDetails(type=fault(message), loc=line["loc"], input=line["input"]))
    raise ValidationError.from_exception_data(model.__name__, lines) from None


def _inside(path: tuple[str | int, ...], group: tuple[str | int, ...]) -> bool:
    return len(path) > len(group) and path[: len(group)] == group


_KINDS = {
    "int_type": "a whole number", "int_from_float": "a whole number", "float_type": "a number",
    "bool_type": "true or false", "string_type": "text", "tuple_type": "a list", "dict_type": "a mapping",
    "finite_number": "a finite number",
}  # fmt: skip
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_BOUNDS = {
    "greater_than": ("gt", "above"), "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"), "less_than_equal": ("le", "at most"),
}  # fmt: skip


def _explain(kind: str, text: str, value: object, context: dict[str, Any]) -> str:
    """One pydantic error in the words of a user."""
    if kind == "string_type" and isinstance(value, (bool, int, float)):
        return f"must be text, not {shown(value)}; quotes make it text"
    if kind == "invalid_key":
        return f"a key must be text, not {shown(value)}"
    if kind == "missing":
        return "missing; it has no default"
    if kind in ("int_type", "float_type") and isinstance(value, str) and _NUMBER.fullmatch(value):
        return f"must be {_KINDS[kind]}, not text; leave out the quotes of {shown(value)}"
    if kind in _KINDS:
        return f"must be {_KINDS[kind]}, not {shown(value)}"
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        limit = context[bound]
        number = int(limit) if float(limit).is_integer() else limit
        return f"must be {words} {number}, not {shown(value)}"
    if kind == "literal_error":
        choices = str(context["expected"])
        names = choices.replace("'", "").replace(" or ", ", ").split(", ")
        near = closest(value, names) if isinstance(value, str) else None
        return f"must be {choices}, not {shown(value)}" + (f"; did you mean {near!r}?" if near else "")
    if kind == "string_pattern_mismatch":
        return f"must match {context['pattern']}, not {shown(value)}"
    if kind in ("too_short", "too_long"):
        least = kind == "too_short"
        limit = f"at least {context['min_length']}" if least else f"at most {context['max_length']}"
        noun = "entry" if limit.endswith(" 1") else "entries"
        return f"must have {limit} {noun}, not {context['actual_length']}"
    return f"{text[:1].lower()}{text[1:]}, not {shown(value)}"
