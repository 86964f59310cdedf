"""Names that mean something to YAML, to a terminal or to no encoding, on the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

CLASSIFY = """
name: odd
data: {{name: table, root: {table}}}
model: logistic
train: {{epochs: 1, device: cpu, threads: 1}}
plots: []
"""


@pytest.mark.parametrize("names", [("1", "2"), ("a]", "b: c"), ("#x", "{y"), ("null", "'quoted'")])
def test_features_of_any_name_can_be_drawn(cli, tmp_path: Path, names: tuple[str, str]) -> None:
    rows = [f"{i % 7},{i % 5},{i % 3},{'ab'[i % 2]}" for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join([f"{names[0]},{names[1]},other,label", *rows]) + "\n")
    (tmp_path / "odd.yaml").write_text(CLASSIFY.format(table=tmp_path / "t.csv"))
    assert cli("train", tmp_path / "odd.yaml", "--out", tmp_path / "out", "--run-id", "one", "--quiet").code == 0
    done = cli(
        "plot-boundary", "--checkpoint", tmp_path / "out/odd/one", "--features", ", ".join(names),
        "--out", tmp_path / "b.png",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert (tmp_path / "b.png").stat().st_size > 1000


@pytest.fixture
def odd_image(tmp_path: Path) -> Path:
    """An image whose name holds an escape sequence and a byte that is no UTF-8."""
    Image.new("L", (8, 8)).save(tmp_path / "plain.png")
    return (tmp_path / "plain.png").rename(tmp_path / os.fsdecode(b"\x1b[2J\xff.png"))


def test_names_are_escaped_on_a_terminal(
    cli, trained_digits: Path, odd_image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    done = cli("predict", odd_image, "--checkpoint", trained_digits)
    assert done.code == 0
    assert "\x1b" not in done.out
    assert "\\x1b[2J\\udcff.png" in done.out


def test_names_are_kept_in_files_and_pipes(trained_digits: Path, odd_image: Path, tmp_path: Path) -> None:

    command = [sys.executable, "-m", "clfkit", "predict", odd_image, "--checkpoint", trained_digits]
    piped = subprocess.run(command, check=True, capture_output=True, timeout=120).stdout
    subprocess.run([*command, "--out", tmp_path / "p.csv"], check=True, timeout=120)
    assert b"\x1b[2J\xff.png" in piped
    assert (tmp_path / "p.csv").read_bytes() == piped


def test_very_long_class_names_leave_tables_readable(cli, tmp_path: Path) -> None:
    names = [letter + "x" * 3000 for letter in "ab"]
    (tmp_path / "t.csv").write_text(
        "\n".join(["one,two,label", *(f"{i % 7},{i % 5},{names[i % 2]}" for i in range(80))])
    )
    (tmp_path / "odd.yaml").write_text(CLASSIFY.format(table=tmp_path / "t.csv"))
    assert cli("train", tmp_path / "odd.yaml", "--out", tmp_path / "out", "--run-id", "one", "--quiet").code == 0
    done = cli("eval", "--checkpoint", tmp_path / "out/odd/one")
    assert done.code == 0
    assert "axxx" in done.out and "…xxx" in done.out
    assert "x" * 81 not in done.out
