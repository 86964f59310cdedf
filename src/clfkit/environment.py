"""What a run's results may depend on beside its config: versions, machine, command, automatic decisions."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from clfkit import __version__
from clfkit.wording import without_secrets

LIBRARIES = ("torch", "torchvision", "numpy", "scikit-learn", "matplotlib", "pydantic", "safetensors")


def environment(decisions: dict[str, Any]) -> dict[str, Any]:
    """Versions, machine, command and automatic decisions: what one wants to know about a run in a year."""
    return {
        "clfkit": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: version_of(name) for name in LIBRARIES},
        "command": [without_secrets(argument) for argument in sys.argv],
        "decisions": decisions,
    }


def differences(start: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """`torch: 2.12 → 2.13` for every version and decision that has changed."""
    before = {"python": start.get("python"), **start.get("libraries", {}), **start.get("decisions", {})}
    after = {"python": now["python"], **now["libraries"], **now["decisions"]}
    return [f"{key}: {before[key]} → {after[key]}" for key in after if key in before and before[key] != after[key]]


def version_of(library: str) -> str | None:
    """The installed version of a library, None without it."""
    try:
        return version(library)
    except PackageNotFoundError:
        return None
