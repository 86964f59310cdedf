"""The pages tell the truth: the reference is that of the code, and the examples run."""

from __future__ import annotations

import doctest
import json
import re
import runpy
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clfkit
from clfkit.__main__ import main
from clfkit.data.limits import best_accuracy
from clfkit.exporting.writing import export

ROOT = Path(__file__).parents[1]


def test_reference_is_up_to_date() -> None:
    done = subprocess.run([sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_table_of_faults_is_that_of_the_tests() -> None:
    rows = runpy.run_path(str(ROOT / "tests/faults/rows.py"))["ROWS"]
    table = re.findall(r"^\| ([A-F]\d?) \| (.*) \| [\d,]+ \| all \|$", (ROOT / "docs/reliability.md").read_text(), re.M)
    assert dict(table) == rows


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


@pytest.mark.slow
def test_examples_of_extending_run_together(tmp_path: Path) -> None:
    page = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    plugins = []
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", page, re.DOTALL)):
        (tmp_path / f"part{number}.py").write_text(code)
        plugins += ["--plugin", str(tmp_path / f"part{number}.py")]
    assert len(plugins) == 26
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


def test_the_density_of_extending_is_that_of_its_rings(tmp_path: Path) -> None:
    """Each class integrates to 1 over the plane, fresh points lie in their own ring, and the limit is 100 %."""
    page = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    (code,) = (code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "class Rings" in code)
    (tmp_path / "rings.py").write_text(code)
    density = runpy.run_path(str(tmp_path / "rings.py"))["Rings"]()
    side = np.linspace(-6, 6, 601)
    points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    assert np.allclose(np.exp(density.log_density(points)).sum(axis=0) * (side[1] - side[0]) ** 2, 1, atol=0.01)
    labels = np.arange(1000) % 2
    fresh = density.draw(labels, np.random.default_rng(0))
    assert np.array_equal(np.hypot(*fresh.T) > 1, labels == 1)
    assert best_accuracy(density, np.array([0.4, 0.6]), 0).accuracy == 1


def script_of(page: str, name: str, folder: Path) -> Path:
    """The example that begins with `# name`, as a file."""
    found = re.search(rf"```python\n# {name}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert found, name
    path = folder / name
    path.write_text(found[1])
    return path


@pytest.mark.slow
def test_examples_of_export_give_what_predict_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A picture through the program of torch, rows through ONNX."""
    rng = np.random.default_rng(0)
    for number in range(12):
        folder = tmp_path / f"photos/{'ab'[number % 2]}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 30 + number, 3), np.uint8)).save(folder / f"{number}.png")
    photos = {"data": {"name": "image_folder", "root": str(tmp_path / "photos"), "size": [20, 16], "cache": "off"}}
    config = tmp_path / "photos.yaml"
    config.write_text(json.dumps({"name": "photos", **photos, "model": "cnn", "train": {"epochs": 1}, "plots": []}))
    pictures = clfkit.train(config, out=tmp_path / "runs", run_id="a").path
    points = clfkit.train(
        ROOT / "configs/iris.yaml", {"train.epochs": 2, "plots": []}, out=tmp_path / "runs", run_id="a"
    ).path
    rows = tmp_path / "rows.csv"
    names = ",".join(clfkit.load(points).spec.feature_names)
    rows.write_text(f"{names}\n5.1,3.5,1.4,0.2\n6.2,2.9,4.3,1.3\n")
    for run, format_name, script, file in (
        (pictures, "torch", "use_torch.py", tmp_path / "photos/a/0.png"),
        (points, "onnx", "use_onnx.py", rows),
    ):
        monkeypatch.setattr(sys, "argv", ["clfkit", "predict", str(file), "--checkpoint", str(run)])
        capfd.readouterr()
        with suppress(SystemExit):
            main()
        expected = [" ".join(line.split(",")[1:]) for line in capfd.readouterr().out.splitlines()[1:]]
        monkeypatch.setattr(sys, "argv", [script, str(export(clfkit.load(run), format_name).path), str(file)])
        runpy.run_path(str(script_of("docs/export.md", script, tmp_path)))
        assert capfd.readouterr().out.splitlines() == expected != []
