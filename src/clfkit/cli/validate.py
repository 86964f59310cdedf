"""clfkit validate: everything a config can get wrong, before any data is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clfkit.cli.arguments import Overrides, Plugins
from clfkit.cli.terminal import complain, say
from clfkit.errors import ConfigError, Fault, UsageError


def validate(
    configs: Annotated[list[Path], typer.Argument(metavar="CONFIG…", help="YAML files.", show_default=False)],
    overrides: Overrides = [],
    plugin: Plugins = [],
) -> None:
    """Check config files: every fault of every file, one line each. Exit code 2 if there is one.

    A data.root that is not on this machine is noted: it may well be on another. No data is read; `clfkit check-data`
    looks at the samples.
    """
    from clfkit.config import load_config
    from clfkit.data.roots import absent

    faults: list[Fault] = []
    for path in configs:
        try:
            config = load_config(path, overrides)
        except ConfigError as error:
            faults.extend(error.faults)
        except UsageError as error:
            faults.append(Fault("", "", str(error)))
        else:
            say(f"{path}: ok ({config.model.name} on {config.data.name}, {config.train.epochs} epochs)")
            if (root := absent(config.data.options)) is not None:
                complain(f"note: {path}: data.root: {root} is not on this machine")
    if faults:
        raise ConfigError(faults)
