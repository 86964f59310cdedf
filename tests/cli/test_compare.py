"""clfkit compare: what is printed, what is written, and what is said of mistakes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clfkit.run import RunDirectory


def test_two_runs_stand_side_by_side(cli, rivals: Path) -> None:
    done = cli("compare", rivals / "one", rivals / "poor")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].split() == ["one", "poor"]
    assert next(line.split() for line in lines if "optimizer.lr" in line) == ["train.optimizer.lr", "0.05", "1e-05"]
    assert not any("batch_size" in line for line in lines)  # which is the same
    accuracy = RunDirectory(rivals / "one").metrics()["accuracy"]
    assert f"accuracy                {accuracy:.4f} (" in done.out
    assert "one is better than poor: +" in done.out
    assert max(map(len, lines)) < 120


def test_narrow_terminal_gets_a_row_for_each_run(cli, rivals: Path, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    done = cli("compare", f"{rivals}/*", "--sort", "test.macro_f1")
    table, *verdicts = done.out.split("\n\n")
    header, *rows = table.splitlines()
    assert header.split("  ")[0] == "" and "test macro_f1" in header and "test accuracy" in header
    values = [float(row.split()[1]) for row in rows]
    assert len(values) == 4 and values == sorted(values, reverse=True)
    assert max(map(len, table.splitlines())) <= 100
    assert "--out FILE.html shows all" in verdicts[0]
    assert "elsewhere is not compared sample by sample" in done.out


def test_narrow_table_shows_what_it_is_sorted_by(cli, rivals: Path, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    header, *rows = cli("compare", rivals, "--sort", "epochs").out.split("\n\n")[0].splitlines()
    assert "  epochs  seconds" in header and rows[0].startswith("poor ")


def test_json_alone_is_on_standard_output(cli, rivals: Path, tmp_path: Path) -> None:
    RunDirectory(Path(shutil.copytree(rivals / "two", tmp_path / "two"))).discard_results()
    runs = (rivals / "one", rivals / "poor", rivals / "elsewhere", tmp_path / "two")
    done = cli("compare", *runs, "--json", "--out", tmp_path / "page.html")
    result = json.loads(done.out)
    assert done.err == f"page: {tmp_path / 'page.html'}\n"
    assert [run["name"] for run in result["runs"]] == ["one", "poor", "elsewhere", "two"]
    assert (
        result["runs"][0]["metrics"]["test"] == json.loads((rivals / "one/evaluation/test.json").read_text())["metrics"]
    )
    assert result["runs"][1]["differs"] == {
        "seed": "1",
        "data.seed": "5",
        "train.epochs": "1",
        "train.optimizer.lr": "1e-05",
    }
    assert result["against"] == "one"
    (test,) = result["tests"]
    assert (test["first"], test["second"], test["differs"], test["tests"]) == ("one", "poor", True, 1)
    low, high = test["interval"]
    assert low < test["difference"] < high
    assert set(result["not_tested"]) == {"elsewhere", "two"}


def test_page_is_written_where_it_is_asked_for(cli, rivals: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("compare", rivals / "one", rivals / "two", "--out", "both.html")
    assert done.out.endswith("\npage: both.html\n")
    assert (tmp_path / "both.html").read_text().startswith("<!doctype html>")
    cli("compare", rivals / "one", rivals / "two")
    assert [path.name for path in tmp_path.iterdir()] == ["both.html"]


def test_baseline_by_its_name_and_another_split(cli, rivals: Path) -> None:
    done = cli("compare", rivals, "--baseline", "two", "--split", "valid")
    assert "poor is worse than two: -" in done.out
    assert "valid samples" in done.out


def test_run_that_is_given_twice_is_noted(cli, rivals: Path) -> None:
    done = cli("compare", rivals / "one", rivals / "two", rivals / "one")
    assert (done.code, done.err) == (0, f"note: {rivals / 'one'} is given twice; it is compared once\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{}/one",), "a comparison needs two runs or more, and {}/one is one; `clfkit runs` lists what there is"),
        (("{}/none*",), "{}/none*: nothing matches it; `clfkit runs` lists what there is"),
        (("{}/one", "{}/three"), "{}/three: no such folder; `clfkit runs` lists the runs that there are"),
        (("{}", "--split", "tst"), "--split tst: must be train, valid or test"),
        (
            ("{}", "--sort", "test.acuracy"),
            "--sort test.acuracy: not a metric of these runs; did you mean test.accuracy?",
        ),
        (("{}", "--out", "page.pdf"), "--out page.pdf: the page is HTML, so its name must end in .html"),
        (("{}", "--baseline", "{}/three"), "{}/three: no such folder; `clfkit runs` lists the runs that there are"),
    ],
)
def test_mistakes_are_one_line(cli, rivals: Path, arguments: tuple[str, ...], message: str) -> None:
    done = cli("compare", *(text.format(rivals) for text in arguments))
    assert (done.code, done.out, done.err) == (2, "", f"clfkit: {message.format(rivals)}\n")


def test_names_cannot_steer_the_terminal(cli, rivals: Path, tmp_path: Path) -> None:
    shutil.copytree(rivals / "one", tmp_path / "a\x1b[31mb")
    done = cli("compare", rivals / "poor", tmp_path / "a\x1b[31mb")
    assert "\x1b" not in done.out and r"a\x1b[31mb is better than poor" in done.out


def test_from_a_shell_without_anything_heavy(rivals: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from clfkit.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'matplotlib', 'sklearn', 'pandas'} & set(sys.modules)), file=sys.stderr)"
    )
    arguments = [sys.executable, "-c", code, "compare", f"{rivals}/*", "--out", str(tmp_path / "x.html")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=120)
    assert done.stderr == "[]\n"


def test_evaluating_anew_tells_what_the_samples_hold(cli, laboratory) -> None:
    quick = {"engine": "scratch", "train.epochs": 1, "report": False}
    old, other = (
        laboratory.run(laboratory.config("blobs", {**quick, "data.split.valid": valid}), None, name)
        for name, valid in (("old", 0.1), ("other", 0.2))
    )
    evaluation = old.evaluation("test")
    del evaluation["content"]
    old.save_evaluation("test", evaluation)
    done = cli("compare", old.path, other.path)
    command = f"clfkit eval --checkpoint {old.path} --split test"
    assert f"the evaluation of old does not tell what its test samples hold; make it anew: {command}" in done.out
    assert cli(*command.split()[1:]).code == 0
    assert "is not compared" not in cli("compare", old.path, other.path).out
