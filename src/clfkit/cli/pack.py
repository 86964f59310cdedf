"""clfkit pack: a folder of images as tar shards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clfkit.cli.arguments import ConfigFile, Overrides, Quiet
from clfkit.cli.terminal import complain, say
from clfkit.errors import UsageError

if TYPE_CHECKING:
    from clfkit.config import ExperimentConfig

SHARDS = "-shards"
"""What is added to the name of a folder and of an experiment."""
LONGEST_NAME = 100


def pack(
    config: ConfigFile,
    overrides: Overrides = [],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Folder to write; by default data.root with -shards.", show_default=False
        ),
    ] = None,
    shard_size: Annotated[int, typer.Option("--shard-size", metavar="MB", min=1, help="Megabytes of a shard.")] = 256,
    quiet: Quiet = False,
) -> None:
    """Pack the images of an image_folder experiment into tar shards; prints the YAML that trains on them."""
    from clfkit.config import load_config
    from clfkit.data.packing import pack_files
    from clfkit.data.roots import expanded
    from clfkit.data.sources.image_folder import labelled_files
    from clfkit.document import as_yaml
    from clfkit.progress import listener
    from clfkit.reporting import heard_by

    loaded = load_config(config, overrides)
    values = loaded.plain()
    if loaded.data.name != "image_folder":
        raise UsageError(f"data.name: only image_folder can be packed, not {loaded.data.name!r}")
    root = Path(expanded(values["data"]["root"]))
    target = _beside(root) if out is None else out
    if target.exists():
        raise UsageError(f"{target} exists already; remove it, or choose another with --out")
    with heard_by(listener(quiet)):
        found = labelled_files(str(root), values["data"]["csv"], values["data"]["cache"])
        names = pack_files(found, root, target, shard_size, loaded.data_seed)
    if not quiet:
        shards = "1 shard" if len(names) == 1 else f"{len(names):,} shards"
        complain(f"{len(found.names):,} images of {len(found.classes):,} classes in {shards}: {target}")
        drawn = [part for part in ("valid", "test") if part not in found.given]
        if drawn:
            what = " and ".join(drawn)
            complain(f"note: {what} will be drawn anew from the shards: other samples than those of runs on {root}")
    say(as_yaml(_on_shards(loaded, target)).rstrip())


def _beside(root: Path) -> Path:
    named = root if root.name not in ("", "..") else root.resolve()
    return named.with_name(f"{named.name}{SHARDS}")


def _on_shards(config: ExperimentConfig, target: Path) -> dict[str, object]:
    """The experiment on the shards, with every option of the folder that shards have too."""
    from clfkit.components import datasets

    values = config.plain()
    known = datasets.entry("webdataset").options.model_fields
    kept = {key: value for key, value in values["data"].items() if key in known}
    name = f"{config.name[: LONGEST_NAME - len(SHARDS)]}{SHARDS}"  # its runs stand apart, since they have other splits
    return {**values, "name": name, "data": {"name": "webdataset", **kept, "root": str(target)}}
