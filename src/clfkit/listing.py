"""Lists of components in a config, of which one alone needs no brackets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import InitErrorDetails, core_schema

from clfkit.errors import UnknownName
from clfkit.options import fault
from clfkit.registry import Registry
from clfkit.wording import meant, shown


class OneOrMore:
    """Annotates `tuple[Annotated[Component[S], registry], ...]`: a component that is no list is a list of one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(_listed, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        several = handler(schema)
        return {"anyOf": [several["items"], several]}


def _listed(value: object) -> object:
    return (value,) if isinstance(value, (str, dict)) else value


@dataclass(frozen=True)
class Names:
    """Annotates `Literal["auto"] | tuple[str, ...]`: names of a registry's members, which have no options here.

    Whether there are members of these names is another question, which `unknown` answers: it is asked of a config with
    faults of other kinds too.
    """

    registry: Registry[Any]

    def parse(self, value: object) -> object:
        """'auto', one name or a list of them → 'auto' or a tuple. Raises pydantic's ValidationError."""
        kind = self.registry.kind
        if value == "auto":
            return value
        if isinstance(value, str) and value in self.registry.names():
            return (value,)
        if not isinstance(value, (list, tuple)):
            raise fault(f"must be 'auto' or a list of {kind}s, not {shown(value)}; {meant('', self.registry.names())}")
        lines: list[InitErrorDetails] = [
            {"type": fault(f"must be the name of a {kind}, not {shown(name)}"), "loc": (at,), "input": name}
            for at, name in enumerate(value)
            if not isinstance(name, str)
        ]
        if lines:
            raise ValidationError.from_exception_data(kind, lines)
        return tuple(value)

    def unknown(self, value: object) -> Iterator[tuple[int, str]]:
        """Place and complaint for each name of a list that no member has; whatever is no list of names has none."""
        for at, name in enumerate(value if isinstance(value, (list, tuple)) else ()):
            try:
                if isinstance(name, str):
                    self.registry.entry(name)
            except UnknownName as error:
                yield at, str(error)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        one = {"enum": self.registry.names()}
        return {"anyOf": [{"const": "auto"}, one, {"type": "array", "items": one}]}
