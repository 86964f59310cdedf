"""The configs that come with clfkit are right, say what they show, and name a command that exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from clfkit.config import load_config

CONFIGS = Path(__file__).parents[1] / "configs"
SMOKE = sorted(CONFIGS.glob("smoke/*.yaml"))
EXPERIMENTS = sorted({*CONFIGS.rglob("*.yaml")} - {*SMOKE})


def place(path: Path) -> str:
    """A config's path below configs/ without its suffix, `optimizers/adam`."""
    return path.relative_to(CONFIGS).with_suffix("").as_posix()


@pytest.mark.parametrize("path", [*EXPERIMENTS, *SMOKE], ids=place)
def test_config_is_valid(path: Path) -> None:
    assert load_config(path).name


@pytest.mark.parametrize("path", EXPERIMENTS, ids=place)
def test_header_says_what_it_shows_the_command_and_what_to_expect(path: Path) -> None:
    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    text = "\n".join(header)
    assert f"clfkit train configs/{place(path)}.yaml" in text
    assert "%" in text, "expected accuracy"
    assert "second" in text or "minute" in text, "expected time"
    assert load_config(path).name == place(path).replace("/", "_"), "the name tells its folder under outputs/"
