"""The pages tell the truth: the reference is that of the code, and the examples run."""

from __future__ import annotations

import doctest
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_reference_is_up_to_date() -> None:
    done = subprocess.run([sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_numbers_of_one_step_are_true(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    failed, tried = doctest.testfile(str(ROOT / "docs/one-step.md"), module_relative=False, encoding="utf-8")
    assert (failed, tried > 30) == (0, True)


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_examples_of_extending_run_together(tmp_path: Path) -> None:
    page = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    plugins = []
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", page, re.DOTALL)):
        (tmp_path / f"part{number}.py").write_text(code)
        plugins += ["--plugin", str(tmp_path / f"part{number}.py")]
    assert len(plugins) == 22
    config = tmp_path / "own.yaml"
    config.write_text(
        "name: own\ndata: {name: rings, samples: 200}\nmodel: logistic\n"
        "train: {epochs: 2, schedule: {name: inverse_sqrt, start: 3}}\nplots: [confidence]\n"
    )
    command = [sys.executable, "-m", "clfkit", "train", str(config), "--out", str(tmp_path), "--run-id", "a", "--json"]
    command += ["--set", "train.augment=[noise]"]
    done = subprocess.run([*command, *plugins], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    metrics = json.loads(done.stdout)["metrics"]
    assert metrics["error_rate"] == pytest.approx(1 - metrics["accuracy"])
    assert (tmp_path / "own/a/plots/confidence.png").is_file()
    command = [sys.executable, "-m", "clfkit", "plot", "last_accuracy", "own/a", *plugins]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert (tmp_path / "last_accuracy.png").is_file()
    command = [sys.executable, "-m", "clfkit", "plot", "largest_class", "own.yaml", *plugins]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert (tmp_path / "largest_class.png").is_file()

    sets = ["engine=scratch", "model={name: bottleneck, width: 3}", "train.optimizer={name: signed, lr: 0.02}"]
    command = [sys.executable, "-m", "clfkit", "train", str(config), "--out", str(tmp_path), "--run-id", "b"]
    subprocess.run([*command, *plugins, *(flag for text in sets for flag in ("--set", text))], check=True)

    command = [sys.executable, "-m", "clfkit", "train", str(config), "--out", str(tmp_path), "--run-id", "c"]
    subprocess.run([*command, *plugins, "--set", "model=two_speeds"], check=True)

    net = re.search(r"```python\n# my_net.py\n(.*?)```", readme, re.DOTALL)
    assert net
    (tmp_path / "my_net.py").write_text(net[1])
    arguments = ["--plugin", str(tmp_path / "my_net.py"), "--set", "model={name: my_net, width: 4}"]
    arguments += ["--set", "train.epochs=1", "--set", "plots=[]", "--out", str(tmp_path), "--json"]
    arguments += [*plugins, "--set", "train.mix=halves"]
    command = [sys.executable, "-m", "clfkit", "train", "configs/digits.yaml", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
