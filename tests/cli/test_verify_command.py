"""clfkit verify: what it prints, and its exit code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from clfkit.run import RunDirectory


def test_verify_prints_from_which_step_on_a_run_differs(cli: Any, rivals: Path, tmp_path: Path) -> None:
    run = RunDirectory(shutil.copytree(rivals / "one", tmp_path / "run"))
    done = cli("verify", run.path, "--quiet")
    steps = len(run.step_losses())
    assert (done.code, done.err) == (0, "")
    assert f"{run.path}: reproducible, steps 1 to {steps}" in done.out
    assert f"last (step {steps})" in done.out
    done = cli("verify", "one", "--runs", rivals.parent)
    assert (done.code, done.err.count("epoch ")) == (0, min(10, len(run.history())))
    (run.path / "checkpoints/initial/model.safetensors").write_bytes(b"")
    done = cli("verify", run.path, "--quiet")
    assert (done.code, "not compared: " in done.out) == (1, True)
    shutil.rmtree(run.path / "checkpoints/initial")
    losses = run.step_losses()
    losses[2] = float("nan")
    losses.tofile(run.path / "steps.f32")
    done = cli("verify", run.path, "--quiet")
    assert (done.code, "the loss of every step but 1, of which none was kept, is the same" in done.out) == (0, True)
    losses[6] += 1
    losses.tofile(run.path / "steps.f32")
    done = cli("verify", run.path, "--json")
    found = json.loads(done.out)
    assert (done.code, found["reproducible"], found["difference"]["step"]) == (1, False, 7)
    done = cli("verify", run.path, "--quiet")
    assert f"{run.path}: not reproducible from step 7 on: the loss was" in done.out
    assert "possible cause: none is known" in done.out
    assert cli("verify", run.path, "--from", "best").code == 2
