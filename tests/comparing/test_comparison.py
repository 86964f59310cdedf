"""What is found about several runs, and which are not compared sample by sample."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clfkit.comparing.comparison import Comparison, compare
from clfkit.comparing.page import page
from clfkit.comparing.runs import find_runs
from clfkit.config import override_config
from clfkit.errors import RunError, UsageError
from clfkit.run import RunDirectory

N = 200  # test samples of the rivals


@pytest.fixture
def pair(rivals: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Copies of two runs on the same samples, to be changed."""
    one, two = (shutil.copytree(rivals / name, tmp_path / "outputs" / name) for name in ("one", "two"))
    return one, two


def compared(*sources: Path, baseline: str | None = None, sort: str | None = None) -> Comparison:
    found = find_runs(list(map(str, sources)), Path(), baseline)
    return compare(found.runs, "test", found.baseline, sort)


def rewrite(path: Path, change: Callable[[dict[str, Any]], None], classes: list[str] | None = None) -> None:
    """Change the predictions of a run on test, and perhaps the order of its classes."""
    run = RunDirectory(path)
    arrays = run.predictions("test")
    evaluation = run.evaluation("test")
    assert arrays is not None and evaluation is not None
    change(arrays)
    run.save_predictions("test", **arrays)
    if classes:
        rows = evaluation["classes"]
        run.save_evaluation("test", {**evaluation, "classes": {name: rows.get(name, {}) for name in classes}})


def reconfigure(path: Path, *changes: str, content: dict[str, str] | None = None) -> None:
    """Change what a run says of its data, and perhaps of what its test samples hold."""
    run = RunDirectory(path)
    run.replace_config(override_config(run.config(), changes))
    file = path / "checkpoints/best/checkpoint.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "fingerprint": "other"}))
    evaluation = run.evaluation("test")
    assert evaluation is not None
    run.save_evaluation("test", {**evaluation, "content": evaluation["content"] if content is None else content})


def test_the_better_run_is_named_with_its_gain(rivals: Path) -> None:
    comparison = compared(rivals / "poor", rivals / "one")
    (verdict,) = comparison.verdicts
    accuracy = {run.name: run.metric("test", "accuracy") or 0 for run in comparison.runs}
    gain = 100 * (accuracy["one"] - accuracy["poor"])
    assert verdict.sentence.startswith(f"one is better than poor: +{gain:.1f} points, 95 % interval ")
    assert verdict.paired.difference == pytest.approx(gain / 100)
    assert comparison.against is comparison.runs[1]
    assert (verdict.tests, verdict.adjusted) == (1, verdict.paired.p)
    assert comparison.correction == "accuracies by McNemar's exact test on 200 test samples"


def test_seeds_alone_make_no_difference(rivals: Path) -> None:
    comparison = compared(rivals / "one", rivals / "two")
    (verdict,) = comparison.verdicts
    assert "no difference beyond chance (+" in verdict.sentence
    assert comparison.options == [("seed", ("1", "2"))]


def test_best_of_several_is_tested_as_one_of_all_pairs(rivals: Path) -> None:
    comparison = compared(rivals)
    shown = {verdict.first for verdict in comparison.verdicts}
    assert comparison.against is not None and shown == {comparison.against.name}
    assert {verdict.tests for verdict in comparison.verdicts} == {3}
    assert all(verdict.paired.p <= verdict.adjusted <= 3 * verdict.paired.p for verdict in comparison.verdicts)
    assert f"for all 3 pairs, since {comparison.against.name} was picked by its result" in comparison.correction


def test_many_verdicts_are_a_line_each(rivals: Path, tmp_path: Path) -> None:
    few = compared(rivals / "one", rivals / "two")
    assert few.findings[:2] == [few.verdicts[0].sentence, f"  {few.verdicts[0].reason}"]
    runs = [shutil.copytree(rivals / "two", tmp_path / f"r{number}") for number in range(6)]
    many = compared(*runs)
    assert many.findings[:5] == [verdict.sentence for verdict in many.verdicts]
    assert many.findings[5] == f"({many.correction})"


def test_baseline_is_what_the_others_are_tested_against(rivals: Path) -> None:
    comparison = compared(rivals, baseline="one")
    assert [(verdict.first, verdict.second) for verdict in comparison.verdicts] == [("poor", "one"), ("two", "one")]
    assert comparison.verdicts[0].sentence.startswith("poor is worse than one: -")
    assert "for 2 tests against the baseline" in comparison.correction


def test_other_samples_are_not_compared_and_the_seed_is_named(rivals: Path) -> None:
    comparison = compared(rivals / "one", rivals / "elsewhere", rivals / "two")
    assert [(verdict.first, verdict.second) for verdict in comparison.verdicts] in ([("one", "two")], [("two", "one")])
    (line,) = comparison.untested
    assert line.startswith("elsewhere is not compared sample by sample with one: their test samples have other ids (")
    assert "data.seed: 5 → 6" in line and "with the same data.seed" in line
    nothing = compared(rivals / "one", rivals / "elsewhere")
    assert (nothing.verdicts, nothing.against) == ((), None)
    assert len(nothing.untested) == 1


def test_the_largest_group_on_the_same_samples_is_tested(rivals: Path) -> None:
    comparison = compared(rivals / "elsewhere", rivals / "one", rivals / "poor")
    assert [(verdict.first, verdict.second) for verdict in comparison.verdicts] == [("one", "poor")]
    assert comparison.untested[0].startswith("elsewhere is not compared")


def test_samples_are_matched_by_id(pair: tuple[Path, Path]) -> None:
    before = compared(*pair).verdicts[0].paired
    order = np.random.default_rng(0).permutation(N)
    rewrite(pair[1], lambda arrays: arrays.update({name: array[order] for name, array in arrays.items()}))
    after = compared(*pair).verdicts[0].paired
    assert (after.only_first, after.only_second, after.p) == (before.only_first, before.only_second, before.p)
    assert after == before  # the resamples are those of the first run's order


def test_classes_are_matched_by_name(pair: tuple[Path, Path]) -> None:
    before = compared(*pair).verdicts[0].paired
    moved = np.array([2, 0, 1])  # class 0 stands at place 2 now, and so on

    def move(arrays: dict[str, Any]) -> None:
        arrays.update(labels=moved[arrays["labels"]], predicted=moved[arrays["predicted"]])

    rewrite(pair[1], move, ["1", "2", "0"])
    assert compared(*pair).verdicts[0].paired == before
    rewrite(pair[1], lambda arrays: None, ["0", "1", "2"])
    assert "200 of 200 test samples have another label" in compared(*pair).untested[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda arrays: arrays.update({k: v[:150] for k, v in arrays.items()}), "200 test samples, the other 150"),
        (lambda arrays: arrays.update(ids=arrays["ids"] + 1), "test samples have other ids"),
        (lambda arrays: arrays.update(ids=arrays["ids"].astype(str)), "test samples have other ids"),
        (lambda arrays: arrays.update(ids=np.zeros_like(arrays["ids"])), "test samples have other ids"),
        (lambda arrays: np.put(arrays["labels"], 3, (arrays["labels"][3] + 1) % 3), "1 of 200 test samples"),
    ],
    ids=["fewer", "ids", "text", "doubles", "label"],
)  # fmt: skip
def test_saved_predictions_tell_other_samples(pair: tuple[Path, Path], change: Any, reason: str) -> None:
    rewrite(pair[1], change)
    comparison = compared(*pair)
    assert comparison.verdicts == ()
    assert reason in comparison.untested[0]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ((), "the same ids and labels, but other content"),
        (("data.std=3.0",), "but other content (data.std: 2.0 → 3.0)"),
        (("data.split.valid=0.2",), "the same ids and labels, but other content"),
        (("data.std=3.0", "data.split.valid=0.2"), "but other content (data.std: 2.0 → 3.0)"),
    ],
)
def test_other_points_of_the_same_ids_are_told_apart(pair: tuple[Path, Path], changes: Any, reason: str) -> None:
    reconfigure(pair[1], *changes, content={"values": "other"})
    comparison = compared(*pair)
    assert comparison.verdicts == ()
    assert comparison.untested[0].endswith(reason)


def test_other_division_of_the_rest_leaves_the_test_samples_what_they_are(pair: tuple[Path, Path]) -> None:
    reconfigure(pair[1], "data.split.valid=0.2", "data.normalize=false")
    comparison = compared(*pair)
    assert comparison.untested == []
    assert len(comparison.verdicts) == 1
    assert ("data.split.valid", ("0.25", "0.2")) in comparison.options


def test_options_of_a_group_that_is_not_set_in_all_runs(pair: tuple[Path, Path]) -> None:
    reconfigure(pair[1], "train.early_stopping={patience: 5}", "train.clip_norm=1.5")
    assert compared(*pair).options == [
        ("seed", ("1", "2")),
        ("train.clip_norm", ("not set", "1.5")),
        ("train.early_stopping.metric", (None, "valid.loss")),
        ("train.early_stopping.patience", (None, "5")),
        ("train.early_stopping.min_delta", (None, "0.0")),
    ]


def test_options_without_effect_on_results_stand_apart(pair: tuple[Path, Path]) -> None:
    reconfigure(pair[1], "plots=[curves]", "report=false", "track=[tensorboard]", "train.snapshots={every: 5}")
    comparison = compared(*pair)
    assert comparison.options == [("seed", ("1", "2"))]
    folded = ["plots", "report", "track", "train.snapshots.every", "train.snapshots.last"]
    assert sorted(key for key, _ in comparison.without_effect) == folded


def test_an_unfinished_run_is_noted_beside_its_verdict(pair: tuple[Path, Path]) -> None:
    assert compared(*pair).unfinished == []
    RunDirectory(pair[1]).set_status("interrupted", epochs=9, trained=None)
    comparison = compared(*pair)
    note = "note: two is interrupted, epoch 5 of 9; what it is worth is that of its best epoch until then"
    assert comparison.findings[-1] == note
    assert note in page(comparison)


def test_metrics_that_say_nothing_of_few_classes_are_left_out(rivals: Path) -> None:
    comparison = compared(rivals / "one", rivals / "two")
    assert comparison.runs[0].metric("test", "top5") == 1.0
    assert "top5" not in dict(comparison.metrics("test"))
    assert "top5" not in page(comparison)


def test_run_without_a_checkpoint_still_tells_what_its_test_samples_were(pair: tuple[Path, Path]) -> None:
    shutil.rmtree(pair[1] / "checkpoints")
    comparison = compared(*pair)
    assert (comparison.untested, len(comparison.verdicts)) == ([], 1)
    assert dict(comparison.costs)["train samples a second"][1] is None


def test_run_without_evaluation_is_shown_with_what_it_has(pair: tuple[Path, Path]) -> None:
    RunDirectory(pair[1]).discard_results()
    comparison = compared(*pair)
    assert comparison.untested == [
        f"two has no evaluation of test; run: clfkit eval --checkpoint {pair[1]} --split test"
    ]
    assert dict(comparison.metrics("test"))["accuracy"][1] is None
    RunDirectory(pair[1]).save_evaluation("test", {"split": "test"})  # of something else
    with pytest.raises(RunError, match=r"two is the baseline and has no evaluation of test"):
        compared(*pair, baseline="two")


def test_running_run_says_how_far_it_is(pair: tuple[Path, Path]) -> None:
    run = RunDirectory(pair[1])
    run.discard_results()
    with run.lock():
        run.set_status("running", epochs=9)
        comparison = compared(*pair)
        assert comparison.untested == ["two has no evaluation of test yet: it is running, epoch 5 of 9"]
        assert dict(comparison.costs)["status"] == ("finished", "running, epoch 5 of 9")


def test_damaged_predictions_are_an_error(pair: tuple[Path, Path]) -> None:
    (pair[1] / "predictions/test.npz").write_bytes(b"nonsense")
    with pytest.raises(RunError, match=r"two/predictions/test\.npz"):
        compared(*pair)


def test_sorted_by_a_metric_of_either_direction(rivals: Path) -> None:
    for sort, sign in (("test.accuracy", -1), ("valid.loss", 1), ("accuracy", -1)):
        runs = compared(rivals, sort=sort).runs
        split, _, name = sort.rpartition(".")
        values = [sign * (run.metric(split or "test", name) or 0) for run in runs]
        assert values == sorted(values)


def test_sorted_by_what_a_run_took_and_by_name(pair: tuple[Path, Path]) -> None:
    one, two = map(RunDirectory, pair)
    one.set_status("finished", timing={"training": 900.0}, parameters=10)
    two.set_status("finished", timing={"training": 800.0}, parameters=20)
    orders = {"seconds": "two one", "parameters": "one two", "name": "one two", "epochs": "one two"}
    assert {sort: " ".join(run.name for run in compared(*pair, sort=sort).runs) for sort in orders} == orders
    with pytest.raises(UsageError, match="did you mean parameters"):
        compared(*pair, sort="parameter")


def test_run_without_the_metric_comes_last(pair: tuple[Path, Path]) -> None:
    RunDirectory(pair[0]).discard_results()
    assert [run.name for run in compared(*pair, sort="test.loss").runs] == ["two", "one"]


@pytest.mark.parametrize(
    ("sort", "hint"), [("test.acuracy", "did you mean test.accuracy?"), ("zzz", "they have valid.accuracy, ")]
)
def test_unknown_metric_to_sort_by(rivals: Path, sort: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"--sort {sort}: not a metric of these runs; {hint}".replace("?", r"\?")):
        compared(rivals, sort=sort)
