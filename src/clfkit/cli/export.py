"""clfkit export: a trained model as one file for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from clfkit.cli.arguments import AsJson, Plugins, RunsRoot
from clfkit.cli.terminal import say


def export(
    source: Annotated[
        str,
        typer.Argument(metavar="RUN", help="Run directory or id, checkpoint folder, or `latest`.", show_default=False),
    ],
    format_name: Annotated[
        Literal["torch", "onnx"], typer.Option("--format", help="A program of torch.export, or ONNX.")
    ] = "torch",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "--out",
            metavar="FILE",
            help="Where to write, .pt2 or .onnx; by default the folder `export` of the run.",
        ),
    ] = None,
    root: RunsRoot = Path("outputs"),
    as_json: AsJson = False,
    plugin: Plugins = [],
) -> None:
    """Write the model, normalisation included, as one file that needs no clfkit, and FILE.json that describes it."""
    from clfkit.classifier import load
    from clfkit.exporting.writing import export as write

    exported = write(load(source, root), format_name, output)
    if as_json:
        files = {"file": str(exported.path), "description": str(exported.described)}
        typer.echo(json.dumps({**files, "bytes": exported.size, "largest_difference": exported.difference}))
        return
    say(f"{exported.path}  {exported.size:,} bytes")
    say(f"{exported.described}")
    say(f"largest difference from predict: {exported.difference:.1g}")
