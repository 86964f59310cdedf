"""`--set` on the command line and overrides from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clfkit.config import ExperimentConfig, load_config
from clfkit.errors import ConfigError

BASE = """
name: base
data: blobs
model: mlp
train:
  epochs: 5
  optimizer: sgd
"""


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text(BASE)
    return Path("base.yaml")


def option(config: ExperimentConfig, dotted: str) -> Any:
    value: Any = config.plain()
    for key in dotted.split("."):
        value = value[key]
    return value


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("train.epochs=7", "train.epochs", 7),
        (" train.epochs = 7 ", "train.epochs", 7),
        ("train.optimizer.lr=1e-3", "train.optimizer.lr", 1e-3),
        ("train.optimizer.lr=1E5", "train.optimizer.lr", 1e5),
        ("train.optimizer.lr=.5", "train.optimizer.lr", 0.5),
        ("train.optimizer.lr=+1e-3", "train.optimizer.lr", 1e-3),
        ("train.optimizer=adamw", "train.optimizer.name", "adamw"),
        ("train.schedule={name: cosine}", "train.schedule.name", "cosine"),
        ("train.schedule={name: cosine, floor: 0.1}", "train.schedule.floor", 0.1),
        ("train.schedule.name=cosine", "train.schedule.name", "cosine"),
        ("model.hidden=[4, 4]", "model.hidden", [4, 4]),
        ("model.hidden=[]", "model.hidden", []),
        ("data.split.test=0.5", "data.split.test", 0.5),
        ("data.split={valid: 0.2}", "data.split.valid", 0.2),
        ("train.early_stopping.patience=3", "train.early_stopping.patience", 3),
        ("train.early_stopping={}", "train.early_stopping.patience", 10),
        ("train.early_stopping=", "train.early_stopping", None),
        ("train.early_stopping=null", "train.early_stopping", None),
        ("train.checkpoint_every.steps=50", "train.checkpoint_every.steps", 50),
        ("train.batch_size=full", "train.batch_size", "full"),
        ("data.normalize=false", "data.normalize", False),
        ("plots=[curves]", "plots", ["curves"]),
        ("name='2024'", "name", "2024"),
        ("name=run-2", "name", "run-2"),
        ("name=no", "name", "no"),
    ],
)
def test_set(base: Path, text: str, key: str, value: Any) -> None:
    assert option(load_config(base, [text]), key) == value


def test_set_keeps_the_name_of_a_bare_component(base: Path) -> None:
    optimizer = load_config(base, ["train.optimizer.lr=0.5"]).train.optimizer
    assert (optimizer.name, getattr(optimizer.options, "lr", None)) == ("sgd", 0.5)


def test_the_last_of_several_wins(base: Path) -> None:
    assert load_config(base, ["train.epochs=7", "train.epochs=8"]).train.epochs == 8
    schedule = load_config(base, ["train.schedule=cosine", "train.schedule.floor=0.5"]).train.schedule
    assert schedule.plain() == {"name": "cosine", "warmup": 0.0, "floor": 0.5, "cycles": 1}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["train.epochs"], "--set train.epochs: must look like key.key=value, for example train.epochs=5"),
        (["=5"], "--set =5: must look like key.key=value, for example train.epochs=5"),
        ([""], "--set : must look like key.key=value, for example train.epochs=5"),
        (
            ["train..epochs=5"],
            "--set train..epochs=5: must look like key.key=value, for example train.epochs=5",
        ),
        ([".train=5"], "--set .train=5: must look like key.key=value, for example train.epochs=5"),
        (["train.epochs=0"], "--set train.epochs=0: train.epochs: must be above 0, not 0"),
        (["train.epochs="], "--set train.epochs=: train.epochs: must be a whole number, not empty"),
        (["train.epohcs=3"], "--set train.epohcs=3: train.epohcs: unknown option; did you mean 'epochs'?"),
        (["epochs=3"], "--set epochs=3: epochs: unknown option; did you mean 'train.epochs'?"),
        (
            ["model.hidden=[4"],
            "--set model.hidden=[4: not YAML: a list [ is not closed, or a comma is missing in it",
        ),
        (
            ["name=a: b: c"],
            "--set name=a: b: c: not YAML: a ':' where none can be; check the indentation, quote text with "
            "': ' in it",
        ),
        (
            ["name=!!python/name:os.system x"],
            "--set name=!!python/name:os.system x: name: the tag '!!python/name:os.system' is not allowed: "
            "plain values only",
        ),
        (["train={epochs: 3, epochs: 4}"], "--set train={epochs: 3, epochs: 4}: train.epochs: given twice"),
        (["seed.x=3"], "--set seed.x=3: seed: must be a whole number, not {x: 3}"),
        (["train.epochs.x=3"], "--set train.epochs.x=3: train.epochs: is 5, which has no options"),
        (
            ["train.schedule={name: cosin}"],
            "--set train.schedule={name: cosin}: train.schedule.name: unknown schedule 'cosin'; did you "
            "mean 'cosine'?",
        ),
        (
            ["train.epochs=a\x1b[2Jb"],
            "--set train.epochs=a\\x1b[2Jb: not YAML: the character U+001B is not allowed",
        ),
        (
            ["x", "y", "train.epochs=5"],
            "--set x: must look like key.key=value, for example train.epochs=5\n--set y: must look like "
            "key.key=value, for example train.epochs=5",
        ),
        (
            ["train.epochs=0", "seed=-1"],
            "--set train.epochs=0: train.epochs: must be above 0, not 0\n--set seed=-1: seed: must be at "
            "least 0, not -1",
        ),
    ],
)  # fmt: skip
def test_what_set_refuses(base: Path, texts: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(base, texts)
    assert str(caught.value) == message


def test_faults_of_the_file_come_before_those_of_overrides(base: Path) -> None:
    base.write_text(BASE.replace("epochs: 5", "epochs: 0"))
    with pytest.raises(ConfigError) as caught:
        load_config(base, ["seed=-1", "model.hidden=[0]"])
    places = [fault.where for fault in caught.value.faults]
    assert places == ["base.yaml:6", "--set seed=-1", "--set model.hidden=[0]"]


def test_an_override_mends_a_fault_of_the_file(base: Path) -> None:
    base.write_text(BASE.replace("epochs: 5", "epochs: 0"))
    assert load_config(base, ["train.epochs=3"]).train.epochs == 3


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("train.epochs", 3, 3),
        ("model.hidden", [8, 8], [8, 8]),
        ("model.hidden", (8, 8), [8, 8]),
        ("train.early_stopping", {"patience": 2}, {"metric": "valid.loss", "patience": 2, "min_delta": 0.0}),
        ("train.early_stopping", None, None),
        ("name", "x=y".replace("=", "-"), "x-y"),
    ],
)
def test_mapping(base: Path, key: str, value: Any, expected: Any) -> None:
    assert option(load_config(base, {key: value}), key) == expected


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"train.epochs": 0}, "override train.epochs: train.epochs: must be above 0, not 0"),
        (
            {"train.epochs": "3"},
            "override train.epochs: train.epochs: must be a whole number, not text; leave out the quotes of "
            "'3'",
        ),
        ({"train..x": 3}, "override train..x: must look like key.key=value, for example train.epochs=5"),
        (
            {"model.width": 3},
            "override model.width: model.width: unknown option; choose from activation, dropout, hidden, "
            "init, name, norm",
        ),
        ({"train": {1: 2}}, "override train: train.1: a key must be text, not 1"),
        ({"model.hidden": {1}}, "override model.hidden: model.hidden: must be a list, not {1}"),
    ],
)  # fmt: skip
def test_what_a_mapping_cannot_do(base: Path, overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(base, overrides)
    assert str(caught.value) == message


def test_overrides_do_not_reach_through_an_alias(base: Path) -> None:
    base.write_text("name: base\ndata: blobs\nmodel: &m {name: mlp, hidden: [4]}\ntrain: {epochs: 1}\n")
    assert load_config(base, ["model.hidden=[5]"]).model.plain() == {
        "name": "mlp", "hidden": [5], "activation": "relu", "dropout": 0.0, "norm": "none", "init": "uniform",
    }  # fmt: skip
