"""clfkit plot with its runs as arguments: one for a plot, several for a comparison."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

BLOBS = """\
name: {name}
seed: 3
data: {{name: blobs, samples: {samples}, classes: 3, seed: 5}}
model: {{name: mlp, hidden: [8]}}
train: {{epochs: {epochs}, batch_size: 32, optimizer: {{name: {optimizer}, lr: 0.05}}, device: cpu, threads: 1}}
plots: []
"""


@pytest.fixture(scope="session")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of adam, sgd, sgd for longer, and of other data; read them, do not write to them."""
    from clfkit import train

    folder = tmp_path_factory.mktemp("compared")
    variants = {"adam": ("adam", 3, 200), "sgd": ("sgd", 3, 200), "longer": ("sgd", 4, 200), "other": ("sgd", 3, 100)}
    for name, (optimizer, epochs, samples) in variants.items():
        config = folder / f"{name}.yaml"
        config.write_text(BLOBS.format(name=name, optimizer=optimizer, epochs=epochs, samples=samples))
        train(config, out=folder / "outputs", run_id="one")
    return folder / "outputs"


def texts(svg: Path) -> list[str]:
    return [text.strip() for text in ElementTree.parse(svg).getroot().itertext()]


def test_one_run_as_argument_is_the_same_as_checkpoint(cli, outputs: Path, tmp_path: Path) -> None:
    run = outputs / "adam/one"
    for arguments in ((run,), ("--checkpoint", run), ("latest", "--runs", outputs)):
        done = cli("plot", "curves", *arguments, "--out", tmp_path / "c.png")
        assert (done.code, done.out, done.err) == (0, f"{tmp_path / 'c.png'}\n", "")
        (tmp_path / "c.png").unlink()


def test_comparison_is_written_into_the_current_folder(cli, outputs: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("plot", "optimizers", outputs / "adam/one", outputs / "sgd/one")
    assert (done.code, done.out, done.err) == (0, "optimizers.png\noptimizers.svg\n", "")
    drawn = texts(tmp_path / "optimizers.svg")
    assert [text for text in drawn if text.startswith(("adam", "sgd"))] == ["adam lr 0.05", "sgd lr 0.05"]
    assert (tmp_path / "optimizers.png").stat().st_size > 1000


def test_comparison_says_what_else_differs_and_takes_options(cli, outputs: Path, tmp_path: Path) -> None:
    runs = [outputs / name / "one" for name in ("sgd", "longer")]
    done = cli("plot", "optimizers", *runs, "--out", tmp_path / "o.svg", "--set", "accuracy=train")
    assert (done.code, done.out) == (0, f"{tmp_path / 'o.svg'}\n")
    assert done.err == "note: the runs also differ in train.epochs\n"
    drawn = texts(tmp_path / "o.svg")
    assert "Train accuracy" in drawn
    assert "sgd lr 0.05, sgd" in drawn
    assert "sgd lr 0.05, longer" in drawn


DIGITS = """\
name: shown
data: {name: digits}
model: {name: cnn}
train: {augment: [shift]}
"""


def test_preview_takes_a_yaml_file_with_options_of_both(cli, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("digits.yaml").write_text(DIGITS)
    changes = ("--set", "samples=1", "--set", "epochs=2", "--set", "train.augment=[flip]", "--set", "train.mix=mixup")
    done = cli("plot", "augmentations", "digits.yaml", *changes)
    assert (done.code, done.out, done.err) == (0, "augmentations.png\naugmentations.svg\n", "")
    drawn = texts(Path("augmentations.svg"))
    assert "Train samples of shown: flip, mixup" in drawn
    assert [text for text in drawn if text.startswith("epoch")] == ["epoch 1", "epoch 2"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("curves",), 2, "plot 'curves' needs a run: clfkit plot curves RUN"),
        (("optimizers",), 2, "comparison 'optimizers' needs a run"),
        (("nonsense", "latest"), 2, "plots of one run: animation, boundary, "),
        (("nonsense", "latest"), 2, "comparisons of several: optimizers"),
        (("nonsense", "latest"), 2, "previews of a YAML file: augmentations"),
        (("augmentations",), 2, "preview 'augmentations' draws one experiment: clfkit plot augmentations CONFIG"),
        (("augmentations", "nowhere.yaml"), 2, "nowhere.yaml"),
        (("augmentation", "latest"), 2, "did you mean 'augmentations'?"),
        (("optimisers", "latest"), 2, "did you mean 'optimizers'?"),
        (("curves", "{out}/sgd/one", "{out}/adam/one"), 2, "draws one run, not 2; these compare several: optimizers"),
        (("curves", "{out}/sgd/one", "--checkpoint", "{out}/adam/one"), 2, "draws one run, not 2"),
        (("optimizers", "{out}/sgd/one", "nowhere"), 2, "nowhere: no such folder"),
        (("optimizers", "{out}/sgd"), 1, "did you mean {out}/sgd/one?"),
        (("optimizers", "{out}/sgd/one", "{out}/sgd/one/checkpoints/last"), 2, "given twice"),
        (("optimizers", "{out}/sgd/one", "{out}/other/one"), 2, "data.samples: 200 → 100"),
        (("optimizers", "{out}/sgd/one", "--set", "loss=test"), 2, "loss: must be 'train' or 'valid'"),
        (("optimizers", "{out}/sgd/one", "--set", "loss"), 2, "must look like option=value"),
        (("optimizers", "{out}/sgd/one", "--out", "x.nope"), 1, "cannot write x.nope"),
    ],
)
def test_mistakes_are_one_line(cli, outputs: Path, tmp_path: Path, monkeypatch, arguments, code, message) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("plot", *(text.format(out=outputs) for text in arguments))
    assert (done.code, done.out) == (code, "")
    assert message.format(out=outputs) in done.err
    assert done.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_run_without_history_is_named(cli, outputs: Path, tmp_path: Path) -> None:
    run = tmp_path / "empty"
    shutil.copytree(outputs / "sgd/one", run)
    (run / "history.jsonl").unlink()
    shutil.rmtree(run / "checkpoints/best")
    shutil.rmtree(run / "checkpoints/last")
    done = cli("plot", "optimizers", run / "checkpoints/initial")
    assert done.code == 1
    assert done.err == f"clfkit: {run} has no history: no epoch is finished yet\n"


def test_from_a_shell(outputs: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -m clfkit plot optimizers {outputs}/[as]*/one --set epochs=log"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["optimizers.png", "optimizers.svg"]
    assert texts(tmp_path / "optimizers.svg").count("adam lr 0.05") == 1
