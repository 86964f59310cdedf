"""clfkit plan through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clfkit.cli.plan import _seconds
from clfkit.wording import in_bytes

if TYPE_CHECKING:
    from conftest import Cli


def test_a_process_of_its_own_says_it_all_and_writes_nothing(blobs: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "clfkit", "plan", blobs, "--set", "train.early_stopping={patience: 2}"], cwd=tmp_path,
        text=True, capture_output=True, env=os.environ, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    rows = {line[:13].strip(): line[13:] for line in lines if line[13:]}
    assert rows["samples"] == "140 train, 20 valid, 40 test; 3 classes"
    assert rows["parameters"] == "51 (mlp)"
    assert "for 32 samples: " in rows["a step"]
    assert ": 5 steps, validation " in rows["an epoch"]
    assert rows["the run"].endswith(": 3 epochs, 15 steps; without figures and the report")
    assert lines[-1] == "early stopping may end the run sooner"
    assert list(tmp_path.iterdir()) == [blobs]


def test_json_is_one_object(cli: Cli, blobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clfkit.planning.SECONDS", 0.05)
    done = cli("plan", blobs, "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result["samples"] == {"train": 140, "valid": 20, "test": 40}
    assert result["learnable"] == result["footprint"]["numbers"] == 51
    sizes = ("weights", "gradients", "optimizer", "activations", "samples")
    assert result["footprint"]["total"] == sum(result["footprint"][name] for name in sizes)
    assert result["hints"] == [] or all(isinstance(hint, str) for hint in result["hints"])


@pytest.mark.parametrize("rank", [0, 1])
def test_several_processes_are_refused_once(cli: Cli, blobs: Path, monkeypatch: pytest.MonkeyPatch, rank: int) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", str(rank))
    message = "clfkit: clfkit plan measures what one process takes: start it without torchrun\n"
    done = cli("plan", blobs)
    assert (done.code, done.out, done.err) == (2, "", "" if rank else message)


def test_wrong_configs_are_said_as_by_train(cli: Cli, blobs: Path) -> None:
    done = cli("plan", blobs, "--set", "train.epochs=0")
    assert done.code == 2
    assert "train.epochs" in done.err


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (12_345_678, "12.3 MB"), (10**9, "1 GB"), (10**16, "1e+04 TB")],
)
def test_bytes_in_words(size: int, text: str) -> None:
    assert in_bytes(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.00064, "640 µs"), (0.011, "11 ms"), (0.9999, "1 s"), (99.4, "99.4 s"), (100, "2 min"), (19_230, "5 h 20 min")],
)
def test_seconds_in_words(seconds: float, text: str) -> None:
    assert _seconds(seconds) == text
