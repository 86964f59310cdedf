"""`data.root` as typed: the user's home folder in it, and what to say where nothing lies there."""

from __future__ import annotations

from pathlib import Path

from clfkit.components import DataOptions
from clfkit.errors import DataError


def expanded(root: str) -> str:
    """`~` and `~/…` with the user's home folder, as a shell has it; anything else as it is."""
    return str(Path(root).expanduser()) if root == "~" or root.startswith("~/") else root


def absent(options: DataOptions) -> Path | None:
    """The root of these options if nothing is there, nor will be once it was downloaded."""
    root = getattr(options, "root", None)
    if not isinstance(root, str) or getattr(options, "download", False) or (path := Path(expanded(root))).exists():
        return None
    return path.absolute()


def missing(what: str, root: str) -> DataError:
    """The error `what` about a root. The whole path of a relative one is told, since commands start in any folder."""
    path = Path(root)
    looked = "" if path.is_absolute() else f": {path.absolute()}; --set data.root=… gives another"
    return DataError(f"data.root: {what}{looked}")
