"""Which runs are meant, and what is known of each."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from clfkit.comparing.runs import find_runs
from clfkit.errors import UsageError


@pytest.fixture
def outputs(rivals: Path, tmp_path: Path) -> Path:
    """Copies of two runs that a test may spoil."""
    for name in ("one", "two"):
        shutil.copytree(rivals / name, tmp_path / "outputs/rivals" / name)
    return tmp_path / "outputs"


def names(*sources: object, root: Path = Path("outputs"), baseline: str | None = None) -> list[str]:
    return [run.name for run in find_runs(list(map(str, sources)), root, baseline).runs]


def test_runs_come_in_the_order_in_which_they_are_named(rivals: Path) -> None:
    assert names(rivals / "two", rivals / "one") == ["two", "one"]
    assert names(rivals / "two", f"{rivals}/*") == ["two", "elsewhere", "one", "poor"]


@pytest.mark.parametrize("source", ["{}", "{}/", "{}/*", "{}/[a-z]*", "{}/../*", "{}/..", "{}/../../*/rivals"])
def test_folders_and_patterns_stand_for_the_runs_in_them(rivals: Path, source: str) -> None:
    assert names(source.format(rivals)) == ["elsewhere", "one", "poor", "two"]


def test_patterns_pass_over_what_is_no_run(outputs: Path) -> None:
    (outputs / "rivals/notes").mkdir()
    (outputs / "rivals/notes.txt").touch()
    assert names(f"{outputs}/rivals/*") == ["one", "two"]


def test_pattern_below_the_home_folder(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(outputs.parent))
    assert names("~/outputs/*") == ["one", "two"]


def test_relative_pattern_and_a_folder_that_is_called_like_one(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(outputs.parent)
    assert names("outputs/rivals/*") == ["one", "two"]
    (outputs / "rivals").rename(outputs / "rivals[1]")
    assert names("outputs/rivals[1]") == ["one", "two"]


def test_latest_is_a_run(outputs: Path) -> None:
    assert names(outputs / "rivals/one", "latest", root=outputs) == ["one", "two"]


def test_run_that_is_given_twice_counts_once(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(outputs)
    found = find_runs(["rivals/one", "rivals/two", str(outputs / "rivals/one")], outputs)
    assert [run.name for run in found.runs] == ["one", "two"]
    assert found.notes == (f"{outputs}/rivals/one is given twice; it is compared once",)
    assert find_runs(["rivals/one", "rivals/*"], outputs).notes == ()  # as one says: this one first


def test_names_are_as_short_as_tells_runs_apart(outputs: Path) -> None:
    shutil.copytree(outputs / "rivals", outputs / "others")
    assert names(outputs / "rivals/one", outputs / "others/two") == ["one", "two"]
    assert names(outputs / "rivals/one", outputs / "others/one") == ["rivals", "others"]
    assert names(outputs / "rivals", outputs / "others/two") == ["rivals/one", "rivals/two", "others/two"]
    shutil.copytree(outputs / "rivals", outputs / "deeper/rivals")
    same = [outputs / "rivals/one", outputs / "deeper/rivals/one"]
    assert names(*same) == list(map(str, same))


def test_baseline_is_a_name_or_a_run_of_its_own(rivals: Path) -> None:
    found = find_runs([str(rivals)], rivals, "poor")
    assert found.baseline is found.runs[2]
    found = find_runs([str(rivals / "one")], rivals, str(rivals / "two"))
    assert [run.name for run in found.runs] == ["two", "one"]
    assert found.baseline is found.runs[0]
    found = find_runs([str(rivals / "one"), str(rivals / "two")], rivals, str(rivals / "two"))
    assert found.baseline is not None and found.baseline.name == "two"
    assert len(found.runs) == 2


@pytest.mark.parametrize(
    ("sources", "baseline", "message"),
    [
        (["{}/one"], None, r"needs two runs or more, and .*one is one"),
        (["{}/one", "{}/../rivals/one"], None, r"needs two runs or more, and .*one is one"),
        (["{}/one", "{}/nowhere"], None, "nowhere: no such folder; `clfkit runs` lists"),
        (["{}/one", "{}/../../rivals.yaml"], None, r"rivals\.yaml: not a folder"),
        (["{}/none*"], None, "nothing matches it"),
        (["{}/one/check*"], None, "nothing holds a run among what it matches"),
        (["{}/one", "{}/one/checkpoints"], None, r"checkpoints is not a run directory; it lies in the run .*one"),
        (["{}/one", "{}/../.."], None, "is not a run directory, and holds none"),
        (["{}/one", "{}/two"], "{}", "must be one run, and these are 4"),
        (["{}/one", "{}/two"], "three", "three: no such folder"),
    ],
)
def test_what_is_no_run_is_told(rivals: Path, sources: list[str], baseline: str | None, message: str) -> None:
    given = [source.format(rivals) for source in sources]
    with pytest.raises(UsageError, match=message) as caught:
        find_runs(given, rivals, baseline.format(rivals) if baseline else None)
    assert "\n" not in str(caught.value)


def test_costs_are_those_of_the_status_and_the_history(rivals: Path) -> None:
    run, _ = find_runs([str(rivals / "one"), str(rivals / "two")], rivals).runs
    seconds = [record.seconds for record in run.records]
    costs = run.costs
    assert (costs["status"], costs["epochs"]) == ("finished", 5)
    assert costs["training, seconds"] == run.directory.status()["timing"]["training"] >= sum(seconds)
    assert costs["train samples a second"] == round(100 * 5 / sum(seconds))
