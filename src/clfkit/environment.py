"""What a run's results may depend on beside its config: versions, machine, command, automatic decisions."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from clfkit import __version__

LIBRARIES = ("torch", "torchvision", "numpy", "scikit-learn", "matplotlib", "pydantic", "safetensors")


def environment(decisions: dict[str, Any]) -> dict[str, Any]:
    """Versions, machine, command and automatic decisions: what one wants to know about a run in a year."""
    return {
        "clfkit": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "command": sys.argv,
        "decisions": decisions,
    }


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
