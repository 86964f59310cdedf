"""clfkit init: a commented config to start from."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from clfkit.cli.arguments import Plugins
from clfkit.cli.terminal import complain
from clfkit.errors import UsageError
from clfkit.wording import printable


def init(
    dataset: Annotated[str, typer.Option(help="Dataset to start from; see `clfkit list datasets`.")] = "blobs",
    model: Annotated[
        str | None,
        typer.Option(help="Model to start from; by default `cnn` for images, `mlp` for the rest.", show_default=False),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Where to write; by default DATASET.yaml.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")] = False,
    plugin: Plugins = [],
) -> None:
    """Write a commented starter config: every option with its default and what it does."""
    from clfkit.components import datasets, models

    source = datasets.entry(dataset)
    chosen = models.entry(model or ("cnn" if source.inputs == "image" else "mlp"))
    if chosen.inputs and source.inputs and chosen.inputs != source.inputs:
        raise UsageError(f"model {chosen.name!r} needs {chosen.inputs} data, and {dataset!r} is {source.inputs} data")
    from clfkit.reference import starter
    from clfkit.storage import write_atomically

    path = file or Path(f"{dataset}.yaml")
    if path.exists() and not force:
        raise UsageError(f"{path} exists already; add --force to overwrite it, or choose another with --out")
    write_atomically(path, starter(dataset, chosen.name, printable(shlex.quote(str(path)), None)).encode())
    required = [f"data.{name}" for name, field in source.options.model_fields.items() if field.is_required()]
    fill_in = f"Fill in {', '.join(required)}. Then" if required else "Next"
    complain(f"{path} written. {fill_in}:\n  clfkit validate {path}\n  clfkit train {path}")
