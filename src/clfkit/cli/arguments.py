"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clfkit.errors import UsageError
from clfkit.plugins import load_plugin


def _load_plugins(paths: list[Path]) -> list[Path]:
    for path in paths:
        load_plugin(path)
    return paths


def must_be_page(path: Path | None) -> Path | None:
    """Where a page is to be written. Raises UsageError for a name that no browser takes for one."""
    if path is not None and path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out {path}: the page is HTML, so its name must end in .html")
    return path


ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of the experiment.", show_default=False)]
Overrides = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Override an option; the value is read as YAML. Repeatable."),
]
Plugins = Annotated[
    list[Path],
    typer.Option(
        "--plugin", metavar="FILE.py", callback=_load_plugins, is_eager=True,
        help="Python file that registers components of your own. Repeatable.",
    ),
]  # fmt: skip
OutputRoot = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder that runs are kept in.")]
RunsRoot = Annotated[
    Path, typer.Option("--runs", metavar="DIR", help="Folder that `latest` and run ids are looked for in.")
]
CHECKPOINT = typer.Option(
    "--checkpoint", metavar="RUN", help="Run directory or id, checkpoint folder, or `latest`.", show_default=False
)
CheckpointSource = Annotated[str, CHECKPOINT]
TestTimeViews = Annotated[
    int | None,
    typer.Option(
        "--tta",
        metavar="N",
        min=2,
        help="Average over N views of each sample: as it is, and N - 1 times augmented (train.augment).",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no tables; errors only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object on standard output.")]
