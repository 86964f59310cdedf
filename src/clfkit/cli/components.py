"""clfkit list and clfkit show: which components exist, and their options."""

from __future__ import annotations

from typing import Annotated

import typer

from clfkit.cli.arguments import Plugins
from clfkit.cli.terminal import columns, say
from clfkit.errors import UnknownName
from clfkit.wording import meant


def list_components(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[KIND]", help="models, datasets, optimizers, …; all by default.", show_default=False),
    ] = None,
    plugin: Plugins = [],
) -> None:
    """List the components of every kind, with what each is in a line."""
    from clfkit.components import ALL

    kinds = [_plural(kind)] if kind else list(ALL)
    for position, plural in enumerate(kinds):
        registry = ALL[plural]
        if not kind:
            say(("\n" if position else "") + plural)
        indent = "" if kind else "  "
        rows = [(indent + name, registry.entry(name).summary) for name in registry.names()]
        say(columns(rows))


def show(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="model, dataset, optimizer, …", show_default=False)],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which one; see `clfkit list`.", show_default=False)],
    plugin: Plugins = [],
) -> None:
    """Show what a component is and every option it has."""
    from clfkit.components import ALL
    from clfkit.reference import describe_entry

    registry = ALL[_plural(kind)]
    say(describe_entry(registry, registry.entry(name)))


def _plural(kind: str) -> str:
    """`model` or `models` → `models`. Raises UnknownName."""
    from clfkit.components import ALL

    singular = {registry.kind: plural for plural, registry in ALL.items()}
    if kind in ALL:
        return kind
    if kind in singular:
        return singular[kind]
    raise UnknownName(f"unknown kind of component {kind!r}; {meant(kind, [*ALL, *singular])}")
