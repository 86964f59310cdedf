"""What must be instant does not load the heavy libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from import_probe import run_probed

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "torchvision", "matplotlib", "sklearn", "scipy", "pandas", "PIL")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--help",), 0),
        (("--version",), 0),
        (("train", "--help"), 0),
        (("export", "--help"), 0),
        (("compare", "--help"), 0),
        (("validate", *(str(path) for path in sorted((ROOT / "configs").glob("*.yaml")))), 0),
        (("validate", "configs/blobs.yaml", "--set", "train.epochs=0"), 2),
        (("train", "configs/blobs.yaml", "--set", "model=unknown"), 2),
        (("list",), 0),
        (("show", "model", "cnn"), 0),
        (("schema",), 0),
        (("runs",), 0),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, tuple) else str(value),
)
def test_nothing_heavy_is_imported(arguments: tuple[str, ...], code: int) -> None:
    done = run_probed(HEAVY, *arguments, cwd=ROOT)
    assert done.returncode == code, done.stderr
    assert done.stderr.splitlines()[-1] == "LOADED []"


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_loads_nothing_that_configs_need(option: str) -> None:
    done = run_probed(("pydantic", "numpy", "yaml"), option, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "LOADED []"


@pytest.mark.parametrize("config", ["mnist", "blobs", "moons"])
def test_validating_computes_nothing(config: str) -> None:
    done = run_probed(("numpy",), "validate", f"configs/{config}.yaml", cwd=ROOT)
    assert done.stdout.startswith(f"configs/{config}.yaml: ok")
    assert done.stderr.splitlines()[-1] == "LOADED []"


@pytest.mark.parametrize("config", ["blobs", "moons", "spiral"])
def test_training_on_points_loads_nothing_heavy(config: str, tmp_path: Path) -> None:
    few = ("--set", "train.epochs=2", "--set", "plots=[]", "--set", "baselines=[majority]")
    done = run_probed(HEAVY, "train", f"configs/{config}.yaml", *few, "--out", tmp_path, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "LOADED []"


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import sys, clfkit; print(sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
