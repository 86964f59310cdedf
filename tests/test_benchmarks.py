"""The benchmarks measure what they say, and the page shows what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import measuring  # noqa: E402
import page  # noqa: E402
from measuring import Bench, Claim, Outcome, Unavailable, claim  # noqa: E402


@pytest.mark.parametrize(
    ("ours", "accuracy", "verdict"),
    [(0.5, 0.98, "stretch"), (0.7, 0.98, "reach"), (0.9, 0.98, "missed"), (0.5, 0.95, "learns less")],
)
def test_verdict_needs_speed_and_accuracy(ours: float, accuracy: float, verdict: str) -> None:
    found = Claim("work", "training", "loop", ours, 1.0, "s", 0.8, 0.6, accuracy, 0.98, tolerance=0.01)
    assert found.verdict == verdict
    assert Claim("work", "training", "loop", ours, 1.0).verdict == ""


def test_best_round_counts_and_accuracy_is_the_median() -> None:
    def rounds(*seconds: float) -> list[Outcome]:
        return [Outcome(9.0, 1.0, {"training": each, "accuracy": each / 10}) for each in seconds]

    found = claim("work", {"clfkit": rounds(3, 1, 2), "loop": rounds(6, 4, 5)}, "loop", "training")
    assert (found.ours, found.theirs, found.ratio) == (1.0, 4.0, 0.25)
    assert (found.our_accuracy, found.their_accuracy) == (0.2, 0.5)


def test_peers_take_turns_and_one_that_is_missing_is_left_out(tmp_path: Path) -> None:
    order: list[str] = []

    def work(name: str) -> measuring.Work:
        def once(turn: int) -> Outcome:
            if name == "absent":
                raise Unavailable("not installed")
            order.append(f"{name}{turn}")
            return Outcome(1.0, 1.0)

        return once

    found = Bench(2, "", tmp_path).turns({name: work(name) for name in ("ours", "absent", "loop")})
    assert order == ["ours0", "loop0", "ours1", "loop1"]
    assert list(found) == ["ours", "loop"]


def test_process_tells_its_time_its_memory_and_its_last_line() -> None:
    code = "import time; block = bytearray(200 * 2**20); time.sleep(0.2); print('news'); print('{\"training\": 1.5}')"
    outcome = measuring.python(code)
    assert outcome.of("training") == 1.5
    assert outcome.wall >= 0.2
    assert outcome.memory > 200
    with pytest.raises(RuntimeError, match="no such thing"):
        measuring.python("raise SystemExit('no such thing')")


def test_run_that_is_stopped_after_its_first_step_has_its_timing(tmp_path: Path) -> None:
    outcome = Bench(1, "", tmp_path).clfkit("smoke/blobs", "train.epochs=1000000", "plots=[]", stop=True)
    assert 0 < outcome.told["first_step"] < outcome.wall
    assert list(tmp_path.glob("*/*")) == []


def test_peer_answers_in_one_line() -> None:
    command = [sys.executable, "benchmarks/peers/with_sklearn.py", "spiral", "--epochs", "3"]
    done = subprocess.run(command, cwd=BENCHMARKS.parent, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["epochs"] == 3 and told["training"] > 0 and 0 <= told["accuracy"] <= 1


def test_page_shows_the_results_that_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = json.loads((BENCHMARKS / "results.json").read_text(encoding="utf-8"))
    copy = tmp_path / "performance.md"
    copy.write_text(page.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(page, "PAGE", copy)
    page.write_page(results)
    assert copy.read_text(encoding="utf-8") == Path(BENCHMARKS.parent / "docs/performance.md").read_text(
        encoding="utf-8"
    )
