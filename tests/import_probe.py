"""The command line in a process of its own that says which libraries it has imported."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

PROBE = """
import sys
sys.argv = ["clfkit", *sys.argv[1:]]
code = 0
try:
    from clfkit.__main__ import main
    main()
except SystemExit as end:
    code = end.code or 0
print("LOADED", sorted({*sys.modules} & set(%r)), file=sys.stderr)
sys.exit(code)
"""


def run_probed(libraries: Iterable[str], *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of clfkit; the last line of its stderr is `LOADED […]`, those of `libraries` that it imported."""
    command = [sys.executable, "-c", PROBE % (tuple(libraries),), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
