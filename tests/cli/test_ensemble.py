"""clfkit ensemble, and every other command on what it made."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_what_the_program_joins_is_a_run_like_any_other(cli, laboratory) -> None:
    runs = [laboratory.run(laboratory.config("blobs", {"data.seed": 5, "seed": seed})).path for seed in (1, 2)]
    out = laboratory.folder / "joined"
    command = [sys.executable, "-m", "clfkit", "ensemble", *runs, "--out", out, "--name", "both", "--run-id", "one"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "gain over the members' mean" in done.stdout
    rows = {line.split("  ")[0]: line.split()[-4:] for line in done.stdout.splitlines() if line.strip()}
    valid, test = (
        {name: float(cells[at].strip("%")) for name, cells in rows.items() if cells[at].endswith("%")}
        for at in (-2, -1)
    )
    best = max(map(str, runs), key=lambda run: valid[run])
    gain = float(rows["gain over the best member on valid"][2])
    assert gain == pytest.approx(test["joined"] - test[best], abs=0.011)
    assert "points" in done.stdout and "top5" not in done.stdout
    assert "2 joined" in cli("runs", "--out", out).out
    whole = out / "both" / "one"
    scored = json.loads(cli("eval", "--checkpoint", whole, "--json").out)
    assert scored["metrics"] == json.loads((whole / "evaluation/test.json").read_text())["metrics"]
    assert "accuracy" in cli("eval", "--checkpoint", whole / "checkpoints/best", "--split", "valid").out
    (laboratory.folder / "x.csv").write_text("x,y\n1,2\n3,4\n")
    assert len(cli("predict", laboratory.folder / "x.csv", "--checkpoint", whole).out.splitlines()) == 3
    assert "boundary.png" in cli("plot", "boundary", whole).out
    resumed = cli("train", "--resume", whole)
    assert resumed.code == 1
    assert "joined from 2 trained models" in resumed.err


def test_other_splits_are_refused_and_forced_ones_warn_when_scored(cli, laboratory) -> None:
    runs = [laboratory.run(laboratory.config("blobs", {"seed": seed, "train.epochs": 1})).path for seed in (1, 2)]
    refused = cli("ensemble", *runs, "--out", laboratory.out)
    assert refused.code == 2
    assert "--set data.seed" in refused.err
    forced = cli("ensemble", *runs, "--out", laboratory.out, "--force", "--json")
    assert "warning: not scored" in forced.err
    result = json.loads(forced.out)
    assert result["metrics"] == {}
    assert "may have been trained on" in cli("eval", "--checkpoint", result["run"]).err
