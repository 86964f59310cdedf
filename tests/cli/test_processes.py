"""clfkit train with several processes on this machine: what comes out, and what happens when one of them ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from numpy.testing import assert_allclose
from safetensors.numpy import load_file

from clfkit.cli import processes
from clfkit.errors import UsageError
from clfkit.run import RunDirectory

EXACT = """
name: tiny
seed: 7
data: {name: blobs, samples: 200, classes: 3, std: 3.0}
model: {name: mlp, hidden: [8]}
engine: torch
train:
  epochs: 4
  batch_size: 32
  precision: fp64
  optimizer: {name: sgd, lr: 0.05, momentum: 0.9}
  device: cpu
plots: []
"""
"""5 steps an epoch; the same to rounding in any number of processes."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds children in /proc")


@pytest.fixture
def exact(tmp_path: Path) -> Path:
    path = tmp_path / "exact.yaml"
    path.write_text(EXACT)
    return path


def launched(folder: Path, *arguments: object, start: Sequence[str] = (sys.executable,)) -> subprocess.Popen[str]:
    command = [*start, "-m", "clfkit", "train", *map(str, arguments), "--out", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def weights(run: Path, kind: str = "last") -> dict[str, Any]:
    return {**load_file(run / f"checkpoints/{kind}/model.safetensors")}


def losses(run: Path) -> list[list[float]]:
    lines = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    return [[line["step"], line["train.loss"], line["train.accuracy"], line["valid.loss"]] for line in lines]


@pytest.mark.slow
def test_two_then_one_then_two_train_what_one_trains(cli, exact: Path, tmp_path: Path) -> None:
    """Cut in the middle of the second epoch and at the end of the third."""
    cli("train", exact, "--out", tmp_path, "--run-id", "one", "--quiet")
    run = tmp_path / "tiny/parts"
    first = launched(tmp_path, exact, "--processes", 2, "--run-id", "parts", "--json", "--set", "train.max_steps=7")
    out, err = first.communicate(timeout=120)
    assert first.returncode == 0, err
    assert json.loads(out)["run"] == str(run)
    assert err.count("epoch 2/2") == 1  # one process speaks
    assert sorted(path.name for path in (tmp_path / "tiny").iterdir()) == ["one", "parts"]
    more = ("--resume", run, "--quiet", "--out", tmp_path, "--set")
    assert cli("train", *more, "train.max_steps=15").code == 0
    last = launched(tmp_path, "--processes", 2, "--resume", run, "--quiet", "--set", "train.max_steps=20")
    assert last.communicate(timeout=120) == ("", "")
    for kind in ("last", "best"):
        for name, array in weights(tmp_path / "tiny/one", kind).items():
            assert_allclose(weights(run, kind)[name], array, rtol=1e-10, atol=1e-10)
    assert_allclose(losses(run), losses(tmp_path / "tiny/one"), rtol=1e-10)
    evaluations = [json.loads((path / "evaluation/test.json").read_text()) for path in (run, tmp_path / "tiny/one")]
    assert evaluations[0]["metrics"] == pytest.approx(evaluations[1]["metrics"])


def endless(folder: Path, exact: Path, *, torchrun: bool = False) -> tuple[subprocess.Popen[str], Path]:
    """Two processes that would train for hours, once they have written a checkpoint."""
    options = (
        "--set",
        "train.epochs=1000000",
        "--set",
        "train.checkpoint_every={steps: 20}",
        "--set",
        "train.log_every=1000000",
    )
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"] if torchrun else [sys.executable]
    processes = () if torchrun else ("--processes", 2)
    process = launched(folder, exact, *processes, "--run-id", "long", *options, start=start)
    until = time.monotonic() + 100
    while not (folder / "tiny/long/checkpoints/last/manifest.json").exists():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    return process, folder / "tiny/long"


def children(process: subprocess.Popen[str]) -> list[int]:
    """Those that train; torchrun has others too."""
    every = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in every if b"clfkit" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_signal_stops_all_at_the_same_step_and_the_run_goes_on_in_one(cli, exact: Path, tmp_path: Path) -> None:
    process, run = endless(tmp_path, exact)
    os.kill(children(process)[1], signal.SIGTERM)  # whoever hears it, all stop
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert err.count("stopped by SIGTERM at step") == 1
    assert json.loads((run / "status.json").read_text())["status"] == "interrupted"
    step = RunDirectory(run).checkpoint("last").state.step
    assert f"at step {step:,}; the checkpoint is kept" in err
    done = cli("train", "--resume", run, "--quiet", "--force", "--set", f"train.max_steps={step + 1}")
    assert (done.code, done.err) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("torchrun", [False, True])
def test_a_killed_worker_ends_the_run_and_the_checkpoint_is_kept(exact: Path, tmp_path: Path, torchrun: bool) -> None:
    """torchrun sends the other one a signal at once, which must not keep it from saying so; it adds a traceback of its
    own."""
    process, run = endless(tmp_path, exact, torchrun=torchrun)
    both = children(process)
    os.kill(both[1], signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "clfkit: another process of this run ended without a word" in err
    assert f"the checkpoint is kept. Continue with\n  clfkit train --resume {run}" in err
    assert torchrun or "Traceback" not in err
    assert json.loads((run / "status.json").read_text())["status"] == "failed"
    assert weights(run)
    assert not any(Path(f"/proc/{pid}").exists() for pid in both)


@pytest.mark.slow
def test_processes_end_with_a_killed_parent(exact: Path, tmp_path: Path) -> None:
    process, run = endless(tmp_path, exact)
    both = children(process)
    process.kill()
    _, err = process.communicate(timeout=60)  # until the last of those that may write there has ended
    assert err.count("stopped by SIGTERM at step") == 1
    until = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in both):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert json.loads((run / "status.json").read_text())["status"] == "interrupted"
    assert RunDirectory(run).checkpoint("last").state.step > 0


def test_an_error_of_one_process_is_one_message(exact: Path, tmp_path: Path) -> None:
    process = launched(tmp_path, exact, "--processes", 2, "--set", "engine=scratch")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err == "clfkit: engine: 'scratch' trains in one process; engine: torch takes several\n"
    assert list((tmp_path / "tiny").iterdir()) == []


def test_processes_beside_torchrun_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert not processes.to_start(4)
    with pytest.raises(UsageError, match="--processes 2: torchrun has started 4 already"):
        processes.join(2)


def test_one_of_torchrun_is_as_none(monkeypatch: pytest.MonkeyPatch, exact: Path) -> None:
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "an agent of one process")
    assert processes.to_start(2) and processes.first_of_torchrun()
    told = exact.with_name("told.py")
    told.write_text("import os\nassert not [name for name in os.environ if name.startswith('TORCHELASTIC_')]")
    assert processes.start(["validate", str(exact), "--plugin", str(told)], 2) == 0


def test_a_process_that_fails_after_the_first_has_ended_is_told(
    exact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = exact.with_name("fails.py")
    plugin.write_text("import os\nif os.environ['RANK'] == '1': os._exit(3)")
    assert processes.start(["validate", str(exact), "--plugin", str(plugin)], 2) == 1
    assert capsys.readouterr().err == "clfkit: process 1 of 2 ended with exit code 3; see `clfkit runs`\n"


def test_the_working_directory_gives_no_modules(exact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "yaml.py").write_text("open('executed', 'w')")
    monkeypatch.chdir(tmp_path)
    assert processes.start(["validate", str(exact)], 2) == 0
    assert not Path("executed").exists()


def test_a_closed_standard_input_is_no_terminal(exact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    assert processes.start(["validate", str(exact)], 2) == 0
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_one_process_is_no_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert processes.join(None).size == 1
    assert processes.join(1).size == 1
    assert not processes.to_start(1)
