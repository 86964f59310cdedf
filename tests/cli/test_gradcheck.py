"""clfkit gradcheck: right gradients pass, wrong ones are named."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from clfkit.cli.app import app
from clfkit.engines.scratch.layers.dense import Dense
from clfkit.engines.scratch.layers.max_pool2d import MaxPool2D
from clfkit.engines.scratch.layers.relu import ReLU
from clfkit.engines.scratch.losses.cross_entropy import CrossEntropy
from clfkit.errors import ConfigError

CONFIGS = {
    "blobs": """
name: small
data: {name: blobs, samples: 60, classes: 3}
model: {name: mlp, hidden: [5, 4], activation: tanh}
""",
    "moons": """
name: small
data: {name: moons, samples: 60}
model: {name: mlp, hidden: [5]}
train: {loss: bce_with_logits}
""",
    "digits": """
name: small
data: {name: digits}
model: {name: cnn, channels: [2, 3], dense: [4]}
""",
}


def gradcheck(folder: Path, base: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of the command."""
    path = folder / "small.yaml"
    path.write_text(CONFIGS[base])
    result = CliRunner().invoke(app, ["gradcheck", str(path), "--json", *arguments], catch_exceptions=False)
    return result.exit_code, json.loads(result.stdout)


PENALTY = "train.optimizer={name: adam, weight_decay: 0.3, l1: 0.1}"
WEIGHED = "train.loss={name: cross_entropy, label_smoothing: 0.2, class_weights: balanced}"
CASES = [
    ("blobs", ["model.dropout=0.3", PENALTY]),
    ("blobs", ["model.norm=batch", WEIGHED]),
    ("blobs", ["model.norm=layer", "model.init=he", "engine=scratch"]),
    *[("blobs", [f"model.activation={name}"]) for name in ("relu", "leaky_relu", "gelu", "sigmoid", "silu")],
    ("moons", ['train.loss={name: bce_with_logits, label_smoothing: 0.1, class_weights: {"1": 3.0}}']),
    ("digits", ["model.batch_norm=true", "model.activation=tanh_elementary"]),
    ("digits", [PENALTY]),
]


@pytest.mark.parametrize(("base", "overrides"), CASES)
def test_every_tensor_of_right_gradients_agrees(tmp_path: Path, base: str, overrides: list[str]) -> None:
    flags = [flag for text in overrides for flag in ("--set", text)]
    code, result = gradcheck(tmp_path, base, *flags, "--entries", "12")
    assert (code, result["passed"]) == (0, True)
    names = [tensor["name"] for tensor in result["tensors"]]
    assert names[0] == "logits" and {"weight", "bias"} == {name.split(".")[1] for name in names[1:]}
    assert all(tensor["checked"] >= 1 and tensor["error"] <= 1e-6 for tensor in result["tensors"])


def wrong(monkeypatch: pytest.MonkeyPatch, owner: type, method: str, factor: float) -> None:
    """Let a method that returns or writes a gradient be off by a factor."""
    right = getattr(owner, method)

    def off(self: Any, gradient: Any) -> Any:
        result = right(self, gradient)
        if result is None:
            self.gradients["weight"][...] *= factor
            return None
        return result * factor

    monkeypatch.setattr(owner, method, off)


@pytest.mark.parametrize(
    ("owner", "method", "bad"),
    [
        (Dense, "learn", {"7.weight", "9.weight"}),
        (MaxPool2D, "backward", {"0.weight", "0.bias", "3.weight", "3.bias"}),
        (CrossEntropy, "backward", {"logits"}),
    ],
)
def test_a_gradient_off_by_a_hundred_thousandth_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type, method: str, bad: set[str]
) -> None:
    wrong(monkeypatch, owner, method, 1 + 1e-5)
    code, result = gradcheck(tmp_path, "digits", "--set", "model.dropout=0", "--entries", "5")
    assert (code, result["passed"]) == (1, False)
    above = {tensor["name"] for tensor in result["tensors"] if not tensor["error"] <= result["tolerance"]}
    assert bad <= above


def test_nan_is_no_agreement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong(monkeypatch, Dense, "learn", np.nan)
    code, result = gradcheck(tmp_path, "blobs", "--entries", "5")
    assert code == 1
    assert {tensor["name"] for tensor in result["tensors"] if tensor["error"] is None} >= {"1.weight", "5.weight"}


def test_entries_at_kinks_are_counted_and_others_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit whose branch changes in the first trials: two steps to either side of one number."""
    branches = itertools.chain(range(4), itertools.repeat(4))
    monkeypatch.setattr(ReLU, "branches", lambda self: np.array(next(branches)))
    code, result = gradcheck(tmp_path, "moons", "--entries", "3")
    assert code == 0
    assert [(tensor["checked"], tensor["skipped"]) for tensor in result["tensors"][:3]] == [(3, 0), (3, 1), (3, 0)]


def test_table_says_what_was_found(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(CONFIGS["blobs"])
    result = CliRunner().invoke(app, ["gradcheck", str(path)], catch_exceptions=False)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[2].split()[:3] == ["tensor", "layer", "shape"]
    assert [line.split()[:3] for line in lines[3:5]] == [
        ["logits", "CrossEntropy", "3×8"],
        ["1.weight", "Dense", "5×2"],
    ]
    assert lines[-1] == "all gradients agree with the differences to 1e-06"


def test_models_that_numpy_cannot_build_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(CONFIGS["digits"].replace("cnn, channels: [2, 3], dense: [4]", "custom_head"))
    with pytest.raises(ConfigError, match="engine 'scratch' has no model 'custom_head'; it has: cnn, logistic, mlp"):
        CliRunner().invoke(app, ["gradcheck", str(path)], catch_exceptions=False)


def test_no_torch_is_imported(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(CONFIGS["blobs"])
    code = (
        "import sys; from clfkit.cli.app import app\n"
        "try: app(['gradcheck', 'small.yaml'])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)


def test_what_lies_beside_kinks_alone_is_not_called_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    branches = itertools.count()
    monkeypatch.setattr(ReLU, "branches", lambda self: np.array(next(branches)))
    path = tmp_path / "small.yaml"
    path.write_text(CONFIGS["moons"])
    result = CliRunner().invoke(app, ["gradcheck", str(path), "--entries", "2"], catch_exceptions=False)
    assert result.exit_code == 1
    assert "not checked: 1.weight, 1.bias, 3.weight, 3.bias\n" in result.stdout and "wrong" not in result.stdout
    assert [line.split()[3:] for line in result.stdout.splitlines()[4:5]] == [["0", "8", "–"]]


def test_the_number_of_train_samples_does_not_matter(tmp_path: Path) -> None:
    """49 of them in batches of 8 would leave one alone, which batch norm cannot train on; gradcheck takes 8 only."""
    code, result = gradcheck(
        tmp_path, "blobs", "--set", "data.samples=70", "--set", "model.norm=batch", "--entries", "2"
    )
    assert (code, result["passed"]) == (0, True)
