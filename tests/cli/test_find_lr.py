"""clfkit train --find-lr through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clfkit.progress import Quiet

if TYPE_CHECKING:
    from conftest import Cli


def test_figure_and_suggestion_in_the_current_folder(blobs: Path, tmp_path: Path) -> None:
    """A process of its own, as users start it."""
    done = subprocess.run(
        [sys.executable, "-m", "clfkit", "train", blobs, "--find-lr"], cwd=tmp_path, text=True, capture_output=True,
        env=os.environ, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *figures, suggestion = done.stdout.splitlines()
    assert figures == ["find-lr.png", "find-lr.svg"]
    assert suggestion.startswith("--set train.optimizer.lr=0.")
    assert suggestion.endswith("(now 0.05)")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["find-lr.png", "find-lr.svg", "tiny.yaml"]
    assert (tmp_path / "find-lr.png").read_bytes().startswith(b"\x89PNG")
    assert "suggested: " in (tmp_path / "find-lr.svg").read_text()


def test_json_has_the_curve_and_out_the_folder(cli: Cli, blobs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a/b"
    done = cli("train", blobs, "--find-lr", "--json", "--out", folder)
    assert done.code == 0
    result = json.loads(done.out)
    assert len(result["rates"]) == len(result["losses"]) == len(result["smoothed"])
    assert result["current"] == 0.05
    assert result["rates"][0] < result["suggestion"] < result["rates"][-1]
    assert result["figures"] == [str(folder / f"find-lr.{suffix}") for suffix in ("png", "svg")]
    assert all(Path(path).is_file() for path in result["figures"])


def test_no_rate_that_helps_is_said(cli: Cli, blobs: Path, tmp_path: Path) -> None:
    """With all gradients clipped to nothing, no rate up to the highest changes the loss."""
    done = cli("train", blobs, "--find-lr", "--set", "train.clip_norm=1e-12",
               "--set", "train.optimizer={name: sgd, lr: 0.3}", "--out", tmp_path)  # fmt: skip
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith("clfkit: no learning rate lowered the loss")
    assert "train.optimizer.lr stays at 0.3" in done.err


@pytest.mark.parametrize("rank", [0, 1])
def test_of_several_processes_the_first_tests(
    cli: Cli, blobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", str(rank))
    done = cli("train", blobs, "--find-lr", "--out", tmp_path / "figures")
    assert (done.code, len(done.out.splitlines())) == (0, 0 if rank else 3)
    assert (tmp_path / "figures").exists() != bool(rank)


@pytest.mark.parametrize("option", [("--resume", "latest"), ("--run-id", "x"), ("--force",), ("--profile",)])
def test_options_of_a_run_are_refused(cli: Cli, blobs: Path, option: tuple[str, ...]) -> None:
    done = cli("train", blobs, "--find-lr", *option)
    assert done.code == 2
    assert "--find-lr" in done.err
    assert option[0] in done.err


def test_an_interrupt_is_told_and_the_progress_is_that_of_the_test(
    cli: Cli, blobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    class Impatient(Quiet):
        def on_work(self, what: str, done: int, total: int) -> None:
            told.append(f"{what}: {done} of {total}")
            if done == 3:
                raise KeyboardInterrupt

        def on_work_end(self) -> None:
            told.append("end")

    monkeypatch.setattr("clfkit.progress.listener", lambda quiet: Impatient())
    done = cli("train", blobs, "--find-lr", "--out", tmp_path / "figures")
    assert (done.code, done.out) == (130, "")
    assert done.err == "clfkit: stopped at once; a range test keeps nothing\n"
    assert told == [*(f"learning-rate range test: {step} of 200" for step in (1, 2, 3)), "end"]
    assert not (tmp_path / "figures").exists()
