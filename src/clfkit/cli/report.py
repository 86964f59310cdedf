"""clfkit report: a run as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clfkit.cli.arguments import Plugins, RunsRoot, must_be_page
from clfkit.cli.terminal import say


def report(
    source: Annotated[str, typer.Argument(metavar="RUN", help="Run directory or id, or `latest`.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.html", callback=must_be_page, help="By default report.html in the run."),
    ] = None,
    root: RunsRoot = Path("outputs"),
    plugin: Plugins = [],
) -> None:
    """Write one HTML page about a run: results, data, curves, confusions, mistakes. It needs no network."""
    from clfkit.report.page import write_report
    from clfkit.run import RunDirectory, run_called

    run = run_called(source, root) or RunDirectory.open(Path(source))
    path = write_report(run, output)
    say(f"{path}  {path.stat().st_size:,} bytes")
