"""clfkit export: the file that it writes gives what predict gives, without clfkit and without a pickle."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.export.passes import move_to_device_pass

import clfkit
from clfkit.data.files import read_samples
from clfkit.engines.pytorch.program import list_pickled

pytestmark = pytest.mark.slow

SCRATCH_ONLY = """
from clfkit.components import models
from clfkit.models.plan import Dense, Flatten, Plan

@models.register("numpy_alone", engine="scratch")
def numpy_alone(spec, outputs):
    return Plan((Flatten(), Dense(spec.features, outputs)))
"""
BRANCHING = """
from clfkit.components import models

@models.register("branching")
def branching(spec, outputs):
    from torch import nn

    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(spec.features, outputs)

        def forward(self, inputs):
            return self.layer(inputs if inputs.sum() > 0 else -inputs)

    return Branching()
"""


def program(path: Path) -> Any:
    module = torch.export.load(path).module()
    return lambda samples: module(torch.from_numpy(samples)).detach().numpy()


def session(path: Path) -> Any:
    runtime = onnxruntime.InferenceSession(path)
    return lambda samples: runtime.run(None, {"samples": samples})[0]


@pytest.fixture
def unpickling_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something is unpickled")

    for owner, name in ((pickle, "loads"), (pickle, "load"), (torch, "load")):
        monkeypatch.setattr(owner, name, refuse)


@pytest.mark.usefixtures("unpickling_fails")
def test_a_program_of_torch_gives_the_same_bits(cli, trained_digits: Path) -> None:
    done = cli("export", trained_digits)
    assert (done.code, done.err) == (0, "")
    path = trained_digits / "export/best.pt2"
    assert done.out.splitlines() == [
        f"{path}  {path.stat().st_size:,} bytes", f"{path}.json", "largest difference from predict: 0"
    ]  # fmt: skip
    assert list_pickled(path) == []
    assert str(Path(clfkit.__file__).parent).encode() not in path.read_bytes()
    classifier, answer = clfkit.load(trained_digits), program(path)
    images = np.asarray(classifier.bundle.test.inputs)
    for some in (images[:32], images[:1], images[:7]):
        assert_array_equal(answer(some), classifier.predict_proba(some))


def test_a_program_goes_to_another_device(cli, trained_digits: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.pt2"
    assert cli("export", trained_digits, "--output", path).code == 0
    moved = move_to_device_pass(torch.export.load(path), "meta").module()
    assert moved(torch.zeros(5, 1, 8, 8, dtype=torch.uint8, device="meta")).shape == (5, 10)


def test_what_a_pickle_would_be_is_noticed(tmp_path: Path) -> None:
    made = torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),))
    torch.export.save(made, tmp_path / "usual.pt2")
    assert [name.split("/", 1)[1] for name in list_pickled(tmp_path / "usual.pt2")] == ["data/sample_inputs/model.pt"]


def test_onnx_gives_the_same_to_rounding(cli, trained_digits: Path, tmp_path: Path) -> None:
    path = tmp_path / "digits.onnx"
    done = cli("export", trained_digits, "--format", "onnx", "--out", path, "--json")
    assert (done.code, done.err) == (0, "")
    result = json.loads(done.out)
    assert 0 < result.pop("largest_difference") < 1e-6
    assert result == {"file": str(path), "description": f"{path}.json", "bytes": path.stat().st_size}
    assert sorted(each.name for each in tmp_path.iterdir()) == ["digits.onnx", "digits.onnx.json"]
    onnx.checker.check_model(path, full_check=True)
    (given,) = onnx.load(path).graph.input
    assert [axis.dim_param or axis.dim_value for axis in given.type.tensor_type.shape.dim] == ["batch", 1, 8, 8]
    classifier = clfkit.load(trained_digits)
    images = np.asarray(classifier.bundle.test.inputs)
    for some in (images, images[:1]):
        assert_allclose(session(path)(some), classifier.predict_proba(some), atol=1e-6)


def test_the_description_says_all_that_a_program_needs(cli, trained_digits: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.pt2"
    assert cli("export", trained_digits, "--output", path).code == 0
    about = json.loads(Path(f"{path}.json").read_text())
    spec = clfkit.load(trained_digits).spec
    assert (about["file"], about["sha256"]) == ("a.pt2", hashlib.sha256(path.read_bytes()).hexdigest())
    assert about["input"] == {
        "name": "samples", "dtype": "uint8", "shape": ["batch", 1, 8, 8], "values": "pixels from 0 to 255, grey",
        "image": {"height": 8, "width": 8, "channels": 1, "resize": "stretch", "decoder": "pillow"},
    }  # fmt: skip
    assert about["output"] == {"name": "probabilities", "dtype": "float32", "shape": ["batch", 10]}
    assert about["normalization"]["mean"] == list(spec.mean) and about["normalization"]["std"] == list(spec.std)
    assert about["classes"] == list(spec.classes.names)
    assert (about["experiment"], about["run"], about["epoch"]) == ("smoke-digits", "one", 1)
    assert about["versions"] == {"clfkit": clfkit.__version__, "torch": torch.__version__}
    assert about["check"] == {"samples": 16, "largest_difference": 0.0}


def test_rows_of_a_table_go_in_as_predict_reads_them(cli, tmp_path: Path) -> None:
    """Trained without torch; a column of timestamps, which float32 could not tell apart, and one of categories."""
    rows = [f"{1.7e9 + n},{'red' if n % 3 else 'blue'},{'up' if n > 30 else 'down'}" for n in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["time,colour,label", *rows]) + "\n")
    (tmp_path / "t.yaml").write_text(
        f"name: t\ndata: {{name: table, root: '{tmp_path / 't.csv'}'}}\nmodel: mlp\nengine: scratch\nplots: []\n"
    )
    cli("train", tmp_path / "t.yaml", "--out", tmp_path, "--run-id", "a", "--quiet")
    for suffix, format_name, load in ((".pt2", "torch", program), (".onnx", "onnx", session)):
        done = cli("export", tmp_path / "t/a", "--format", format_name)
        assert (done.code, done.err) == (0, "")
        path = tmp_path / f"t/a/export/best{suffix}"
        classifier = clfkit.load(tmp_path / "t/a")
        samples, _ = read_samples([tmp_path / "t.csv"], classifier.spec)
        assert samples.dtype == np.float64
        assert_allclose(load(path)(np.asarray(samples)), classifier.engine.predict(samples), atol=1e-6)
    about = json.loads(Path(f"{path}.json").read_text())["input"]
    assert (about["dtype"], about["features"]) == ("float64", list(classifier.spec.feature_names))
    assert about["columns"][1]["categories"] == ["blue", "red"]


@pytest.mark.parametrize(
    ("base", "changes"),
    [
        ("moons", {"train.precision": "fp64"}),
        ("digits", {"train.precision": "bf16", "model": {"name": "custom_head", "pooling": "gem", "head": "cosine"}}),
        ("blobs", {"train.loss.logit_adjustment": 1.0, "train.ema": 0.9, "model.norm": "batch"}),
    ],
    ids=["one logit, fp64", "bf16", "adjusted, averaged"],
)
def test_bits_agree_whatever_was_trained(cli, laboratory: Any, base: str, changes: dict[str, Any]) -> None:
    run = laboratory.run(laboratory.config(base, {"train.epochs": 1, **changes})).path
    done = cli("export", run, "--json")
    assert json.loads(done.out)["largest_difference"] == 0


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_cells_that_do_not_divide_a_map_go_into_onnx(cli, laboratory: Any, pooling: str) -> None:
    backbone = {"name": "conv", "channels": [3, 4]}  # maps of 4 × 4
    model = {"name": "custom_head", "backbone": backbone, "pooling": pooling, "cells": 3}
    run = laboratory.run(laboratory.config("digits", {"train.epochs": 1, "model": model})).path
    done = cli("export", run, "--format", "onnx", "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["largest_difference"] < 1e-6


def test_an_ensemble_is_one_file(cli, laboratory: Any) -> None:
    changes = {"data.seed": 5, "train.epochs": 1}
    runs = [laboratory.run(laboratory.config("blobs", {**changes, "seed": seed})).path for seed in (1, 2)]
    whole = json.loads(cli("ensemble", *runs, "--out", laboratory.out, "--json").out)["run"]
    assert json.loads(cli("export", whole, "--json").out)["largest_difference"] == 0
    classifier = clfkit.load(whole)
    inputs = np.asarray(classifier.bundle.test.inputs, np.float64)
    assert_allclose(program(Path(whole, "export/best.pt2"))(inputs), classifier.predict_proba(inputs), atol=1e-6)


def test_a_file_that_answers_otherwise_is_not_kept(
    cli, trained_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clfkit.engines.pytorch import program

    (tmp_path / "a.pt2").write_text("what stood there before")
    monkeypatch.setattr(program, "loaded", lambda path: lambda samples: np.full((len(samples), 10), 0.1, np.float32))
    done = cli("export", trained_digits, "--output", tmp_path / "a.pt2")
    assert done.code == 1
    assert done.err.startswith(f"clfkit: {tmp_path}/a.pt2: not written, since the file's probabilities differ")
    assert [each.name for each in tmp_path.iterdir()] == ["a.pt2"]
    assert (tmp_path / "a.pt2").read_text() == "what stood there before"


@pytest.mark.parametrize("library", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_library_is_one_line(
    cli, trained_digits: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    done = cli("export", trained_digits, "--format", "onnx")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"clfkit: --format onnx needs the library {library}, which is not installed: pip install clfkit[onnx]\n"
    )


def test_where_a_file_goes(cli, trained_digits: Path, tmp_path: Path) -> None:
    wrong = cli("export", trained_digits, "--output", tmp_path / "a\x1b.onnx")
    assert (wrong.code, wrong.err) == (
        2,
        f"clfkit: --output {tmp_path}/a\\x1b.onnx: the name of such a file ends in .pt2\n",
    )
    absent = cli("export", trained_digits, "--output", tmp_path / "none/a.pt2")
    assert (absent.code, absent.err) == (1, f"clfkit: cannot write {tmp_path}/none/a.pt2: No such file or directory\n")
    (tmp_path / "alone").mkdir()
    for file in (trained_digits / "checkpoints/best").iterdir():
        (tmp_path / "alone" / file.name).write_bytes(file.read_bytes())
    alone = cli("export", tmp_path / "alone")
    assert (alone.code, alone.err) == (
        2, "clfkit: the checkpoint belongs to no run; say where the file goes with --output FILE\n"
    )  # fmt: skip
    assert cli("export", trained_digits / "checkpoints/last").code == 0
    assert (trained_digits / "export/epoch-0001.pt2").is_file()


@pytest.mark.parametrize(
    ("code", "name", "engine", "message"),
    [
        (
            SCRATCH_ONLY,
            "numpy_alone",
            "scratch",
            "model 'numpy_alone' is built by engine 'scratch' alone; torch makes the file",
        ),
        (BRANCHING, "branching", "torch", "model 'branching' cannot be exported: "),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    blobs: Path, tmp_path: Path, code: str, name: str, engine: str, message: str
) -> None:
    """In processes of its own, since a plugin stays registered for as long as its process lives."""
    (tmp_path / "own.py").write_text(code)

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "clfkit", *map(str, arguments), "--plugin", str(tmp_path / "own.py")]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    chosen = ("--set", f"model={name}", "--set", f"engine={engine}")
    assert run("train", blobs, *chosen, "--out", tmp_path, "--run-id", "a", "--quiet").returncode == 0
    done = run("export", tmp_path / "tiny/a")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"clfkit: {message}")
    assert list((tmp_path / "tiny/a/export").iterdir()) == []
