"""Components from outside the package: files named on the command line, and installed entry points."""

from __future__ import annotations

import importlib.util
import re
import sys
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from clfkit.errors import UsageError

ENTRY_POINTS = "clfkit.plugins"


def load_plugin(path: str | Path) -> None:
    """Run a Python file given on the command line so that its decorators register components.

    Raises UsageError when there is no such file, or it cannot be compiled or lacks an import. Other errors inside
    the file are the author's to see, in full.
    """
    file = Path(path)
    if not file.is_file():
        raise UsageError(f"--plugin {path}: no such Python file")
    if file.suffix != ".py":
        raise UsageError(f"--plugin {path}: not a Python file (its name does not end in .py)")
    name = f"clfkit_plugin_{re.sub(r'[^0-9a-zA-Z]', '_', str(file.resolve()))}"
    if name in sys.modules:
        return
    specification = importlib.util.spec_from_file_location(name, file)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    with ExitStack() as unless_loaded:
        sys.modules[name] = module
        unless_loaded.callback(sys.modules.pop, name)
        try:
            specification.loader.exec_module(module)
        except (SyntaxError, ImportError) as error:
            line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.filename == str(file) else ""
            raise UsageError(f"--plugin {file}{line}: {type(error).__name__}: {error.msg}") from error
        unless_loaded.pop_all()


@cache
def load_entry_points() -> None:
    """Import the installed packages that announce themselves under the entry point group `clfkit.plugins`."""
    from importlib.metadata import entry_points

    for point in entry_points(group=ENTRY_POINTS):
        point.load()
