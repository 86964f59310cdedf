"""clfkit schema: the JSON Schema of config files."""

from __future__ import annotations

import json

import typer

from clfkit.cli.arguments import Plugins


def schema(plugin: Plugins = []) -> None:
    """Print the JSON Schema of a config file, for completion and checks in editors."""
    from clfkit.config import config_schema

    typer.echo(json.dumps(config_schema(), indent=2))
