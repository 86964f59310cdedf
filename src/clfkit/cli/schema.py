"""clfkit schema: the JSON Schema of config files."""

from __future__ import annotations

import json

import typer

from clfkit.cli.arguments import Plugins
from clfkit.config import config_schema


def schema(plugin: Plugins = []) -> None:
    """Print the JSON Schema of a config file, for completion and checks in editors."""
    typer.echo(json.dumps(config_schema(), indent=2))
