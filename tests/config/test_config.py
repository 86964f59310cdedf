"""ExperimentConfig: what it accepts, how it is stored, and the schema that describes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from clfkit import components
from clfkit.config import (
    ExperimentConfig,
    changed_data,
    changed_options,
    check_document,
    config_from_plain,
    config_schema,
    differing_options,
    load_config,
    override_config,
)
from clfkit.document import as_yaml, parse_document, read_document
from clfkit.errors import ConfigError

BLOBS = Path(__file__).parents[2] / "configs" / "blobs.yaml"
LEAST = {"name": "least", "data": "blobs", "model": "mlp"}


def config(**values: Any) -> ExperimentConfig:
    return config_from_plain({**LEAST, **values}, "test")


def faults(**values: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config(**values)
    return [f"{fault.key}: {fault.message}" for fault in caught.value.faults]


def test_three_lines_are_enough() -> None:
    least = config()
    assert least.seed == least.data_seed == 42
    assert (least.data.name, least.model.name, least.engine.name) == ("blobs", "mlp", "auto")
    assert (least.train.loss.name, least.train.optimizer.name, least.train.schedule.name) == (
        "cross_entropy",
        "adam",
        "constant",
    )


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        config().seed = 3  # type: ignore[misc]


def test_the_data_may_have_a_seed_of_their_own() -> None:
    assert config(data={"name": "blobs", "seed": 3}).data_seed == 3


@pytest.mark.parametrize(
    ("train", "best"),
    [
        ({}, "valid.loss"),
        ({"early_stopping": {"metric": "valid.accuracy"}}, "valid.accuracy"),
        ({"early_stopping": {"metric": "valid.accuracy"}, "best": "valid.loss"}, "valid.loss"),
        ({"best": "valid.accuracy"}, "valid.accuracy"),
        ({"early_stopping": {"metric": "valid.tail_accuracy"}}, "valid.tail_accuracy"),
    ],
)
def test_which_metric_decides_the_best_epoch(train: dict[str, Any], best: str) -> None:
    assert config(train=train).train.best_metric == best


@pytest.mark.parametrize("name", ["a", "A.b-c_d", "2024", "x" * 100, "con.yaml", "a..b"])
def test_names_of_folders(name: str) -> None:
    assert config(name=name).name == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".a", "-a", "a/b", "a\\b", "a b", "a\n", "ä", "a\x00", "x" * 101, "~", "C:"]
)
def test_names_that_are_no_folders(name: str) -> None:
    assert faults(name=name)[0].startswith("name: names a folder, so it must be up to 100 letters")


def test_parts_that_do_not_fit_each_other() -> None:
    split = {"valid": 0, "test": 0.3}
    assert faults(
        data={"name": "blobs", "classes": 3, "split": split},
        model="cnn",
        plots=["samples", "animation"],
        train={
            "loss": "bce_with_logits",
            "early_stopping": {},
            "schedule": "plateau",
            "batch_size": 4,
            "accumulate": 5,
        },
    ) == [
        "model: 'cnn' needs image data; 'blobs' has vector data",
        "train.loss: 'bce_with_logits' needs 2 classes; 'blobs' has 3",
        "plots.0: 'samples' needs image data; 'blobs' has vector data",
        "plots.1: 'animation' shows snapshots, and train.snapshots is not set",
        "train.early_stopping: needs a valid split, but data.split.valid is 0",
        "train.schedule: needs a valid split, but data.split.valid is 0",
        "train.accumulate: must be at most batch_size (4), not 5",
    ]


def test_a_list_of_one_needs_no_brackets() -> None:
    alone = {"train": {"augment": {"name": "shift", "pixels": 1}}, "track": "mlflow", "plots": "curves"}
    listed = {"train": {"augment": [{"name": "shift", "pixels": 1}]}, "track": ["mlflow"], "plots": ["curves"]}
    images = {"data": "digits", "model": "cnn"}
    assert config(**images, **alone, baselines="majority") == config(**images, **listed, baselines=["majority"])
    for values in (alone, listed):
        assert describes(config_schema(), config_schema(), {"name": "t", **images, **values})
    assert not describes(config_schema(), config_schema(), {"name": "t", **images, "plots": "curvs"})


def test_parts_that_fit_each_other() -> None:
    fitting: tuple[dict[str, Any], ...] = (
        {"data": {"name": "blobs", "classes": 2}, "train": {"loss": "bce_with_logits"}},
        {"data": "moons", "train": {"loss": "bce_with_logits"}},
        {"data": "digits", "model": "cnn", "plots": ["samples"]},
        {"train": {"snapshots": {"every": 2}}, "plots": ["animation"]},
        {"data": "digits", "model": "mlp"},
        {"data": {"name": "blobs", "split": {"valid": 0, "test": 0}}},
        {"data": {"name": "blobs", "split": {"valid": 500, "test": 0.9}}},
        {"train": {"batch_size": "full", "accumulate": 4}},
    )
    for parts in fitting:
        assert list(config(**parts).misfits()) == []


positive = st.floats(1e-9, 1e9)
share = st.floats(0, 0.49) | st.integers(1, 1000)
schedule = st.one_of(
    st.just("constant"),
    st.fixed_dictionaries({"name": st.just("step")}, optional={"gamma": positive, "step_size": st.integers(1, 99)}),
    st.fixed_dictionaries({"name": st.just("multistep"), "milestones": st.lists(st.integers(1, 99))}),
    st.fixed_dictionaries({"name": st.just("cosine")}, optional={"warmup": positive, "floor": st.floats(0, 0.9)}),
    st.fixed_dictionaries({"name": st.just("plateau")}, optional={"patience": st.integers(0, 9)}),
)
train = st.fixed_dictionaries(
    {},
    optional={
        "epochs": st.integers(1, 10**6),
        "batch_size": st.integers(1, 10**6) | st.just("full"),
        "loss": st.sampled_from(["cross_entropy", {"name": "cross_entropy", "label_smoothing": 0.1}]),
        "optimizer": st.fixed_dictionaries(
            {"name": st.sampled_from(["sgd", "adam", "adamw", "rmsprop", "adagrad"])},
            optional={"lr": positive, "weight_decay": positive},
        ),
        "schedule": schedule,
        "early_stopping": st.none() | st.fixed_dictionaries({}, optional={"patience": st.integers(1, 99)}),
        "best": st.none() | st.sampled_from(["valid.loss", "valid.accuracy"]),
        "checkpoint_every": st.sampled_from([{"epochs": 2}, {"steps": 10}, {"minutes": 0.5}]),
        "clip_norm": st.none() | positive,
        "threads": st.integers(1, 8) | st.just("auto"),
        "deterministic": st.booleans(),
    },
)
experiment = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z"),
        "data": st.fixed_dictionaries(
            {"name": st.sampled_from(["blobs", "moons", "iris"])},
            optional={
                "split": st.fixed_dictionaries({}, optional={"valid": share.filter(bool), "test": share | st.none()}),
                "seed": st.integers(0, 2**63 - 1) | st.none(),
                "normalize": st.booleans(),
            },
        ),
        "model": st.just("logistic")
        | st.fixed_dictionaries({"name": st.just("mlp")}, optional={"hidden": st.lists(st.integers(1, 999))}),
    },
    optional={"seed": st.integers(0, 2**63 - 1), "train": train, "plots": st.just("auto") | st.just(["curves"])},
)


@settings(deadline=None, max_examples=150)
@given(experiment)
def test_a_config_survives_being_stored(values: dict[str, Any]) -> None:
    first = config_from_plain(values, "test")
    stored = first.plain()
    for again in (stored, json.loads(json.dumps(stored)), yaml.safe_load(yaml.safe_dump(stored))):
        second = config_from_plain(again, "stored")
        assert second == first
        assert second.plain() == stored
        assert changed_options(first, second) == []


@settings(deadline=None, max_examples=50)
@given(experiment)
def test_a_stored_config_reads_as_a_file(values: dict[str, Any]) -> None:
    first = config_from_plain(values, "test")
    text = as_yaml(first.plain())
    assert check_document(parse_document(text, "stored.yaml")) == first


@pytest.mark.parametrize("name", ["0E0", "1e5", "12_000", "2024", "no"])
def test_names_that_look_like_other_values_are_stored_as_text(name: str) -> None:
    config = config_from_plain({"name": name, "data": "blobs", "model": "mlp"}, "test")
    assert check_document(parse_document(as_yaml(config.plain()), "stored.yaml")) == config


def test_every_component_without_required_options_survives_being_stored() -> None:
    for key, registry in (("data", components.datasets), ("model", components.models)):
        for name in registry.names():
            entry = registry.entry(name)
            if any(field.is_required() for field in entry.options.model_fields.values()):
                continue
            data = "digits" if entry.inputs == "image" else "blobs"
            first = config(**({"data": name} if key == "data" else {"data": data, "model": name}))
            assert config_from_plain(json.loads(json.dumps(first.plain())), "stored") == first


def test_a_damaged_stored_config_names_its_source() -> None:
    with pytest.raises(ConfigError) as caught:
        config_from_plain({"name": "x", "data": "blobs", "model": "mlp", "sead": 3}, "outputs/x/config.yaml")
    assert str(caught.value) == "outputs/x/config.yaml: sead: unknown option; did you mean 'seed'?"


def test_changed_options() -> None:
    old = config(train={"epochs": 5, "early_stopping": {"patience": 3}})
    new = config(model={"name": "logistic"}, train={"epochs": 9, "optimizer": {"name": "sgd", "lr": 0.1}})
    changes = changed_options(old, new)
    assert "train.epochs: 5 → 9" in changes
    assert "model.name: 'mlp' → 'logistic'" in changes
    assert "model.hidden: [64, 64] → not set" in changes
    assert "train.optimizer.name: 'adam' → 'sgd'" in changes
    assert "train.early_stopping.patience: 3 → not set" in changes
    assert not any(change.startswith(("data", "seed", "plots", "name")) for change in changes)


def test_differing_options_have_a_value_for_each_config() -> None:
    configs = [config(train={"epochs": epochs}, seed=seed) for epochs, seed in ((5, 1), (5, 2), (9, 1))]
    assert differing_options(configs) == {"seed": ("1", "2", "1"), "train.epochs": ("5", "5", "9")}
    assert differing_options([config(), config(model="logistic")])["model.hidden"] == ("[64, 64]", None)
    assert differing_options(configs[:1]) == {}


def test_changed_data_includes_the_seed_that_draws_them() -> None:
    def of(seed: int, /, **data: object) -> ExperimentConfig:
        return config(seed=seed, data={"name": "blobs", **data})

    assert changed_data(of(1), of(1)) == []
    assert changed_data(of(1), of(2)) == ["seed of the data: 1 → 2"]
    assert changed_data(of(1, seed=5), of(2, seed=5)) == []
    assert changed_data(of(1), of(2, seed=1)) == ["data.seed: empty → 1"]
    assert changed_data(of(1, std=2.0, seed=5), of(2, seed=6)) == ["data.seed: 5 → 6", "data.std: 2.0 → 1.0"]


def resolved(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    return schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part


def describes(schema: dict[str, Any], part: dict[str, Any], value: Any) -> bool:
    """Whether a value fits a part of a schema, by the few keywords that ours consists of."""
    part = resolved(schema, part)
    if "anyOf" in part:
        return any(describes(schema, choice, value) for choice in part["anyOf"])
    if "const" in part:
        return bool(value == part["const"])
    if "enum" in part:
        return value in part["enum"]
    if part.get("type") == "object" and "properties" in part:
        known = part["properties"]
        return (
            isinstance(value, dict)
            and set(part.get("required", [])) <= set(value) <= set(known)
            and part["additionalProperties"] is False
            and all(describes(schema, known[key], item) for key, item in value.items())
        )
    if part.get("type") == "array":
        return isinstance(value, (list, tuple)) and all(describes(schema, part["items"], item) for item in value)
    if value is None or isinstance(value, bool):
        return part.get("type") == ("null" if value is None else "boolean")
    kinds = {"integer": int, "number": (int, float), "string": str, "object": dict}
    if not isinstance(value, kinds.get(part.get("type", ""), ())):
        return False
    return (
        value >= part.get("minimum", value)
        and value <= part.get("maximum", value)
        and ("exclusiveMinimum" not in part or value > part["exclusiveMinimum"])
        and ("exclusiveMaximum" not in part or value < part["exclusiveMaximum"])
    )


def test_the_schema_describes_configs() -> None:
    schema = json.loads(json.dumps(config_schema()))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "clfkit experiment"
    assert schema["required"] == ["name", "data", "model"]
    blobs = read_document(BLOBS).values
    assert describes(schema, schema, blobs)
    assert describes(schema, schema, json.loads(json.dumps(load_config(BLOBS).plain())))
    for key, wrong in (("seed", -1), ("model", "transformer"), ("extra", 1), ("train", {"epochs": 0}), ("name", None)):
        assert not describes(schema, schema, {**blobs, key: wrong}), key


@settings(deadline=None, max_examples=50)
@given(experiment)
def test_the_schema_describes_whatever_is_valid(values: dict[str, Any]) -> None:
    schema = config_schema()
    assert describes(schema, schema, values)
    assert describes(schema, schema, config_from_plain(values, "test").plain())


def test_the_schema_knows_every_component_and_explains_every_option() -> None:
    schema = config_schema()
    fields = schema["properties"] | schema["$defs"]["TrainOptions"]["properties"]
    places = {
        "data": components.datasets, "model": components.models, "engine": components.engines,
        "loss": components.losses, "optimizer": components.optimizers, "schedule": components.schedules,
    }  # fmt: skip
    for key, registry in places.items():
        bare, *groups = fields[key]["anyOf"]
        assert bare["enum"] == [group["title"] for group in groups] == registry.names()
        for group in groups:
            if not registry.entry(group["title"]).function.__module__.startswith("clfkit."):
                continue  # a plugin that another test has loaded
            for option, text in group["properties"].items():
                assert option == "name" or text.get("description"), f"{key} {group['title']}.{option}"
            assert group["description"], group["title"]
    for name, part in (*schema["properties"].items(), *schema["$defs"]["TrainOptions"]["properties"].items()):
        assert part.get("description"), name


def references(part: Any) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*map(references, part.values()))
    return set().union(*map(references, part)) if isinstance(part, list) else set()


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    schema = config_schema()
    assert {name.rpartition("/")[2] for name in references(schema)} <= set(schema["$defs"])


WITHOUT_EFFECT = [
    ({"train": {"loss": {"name": "focal", "class_weights": "balanced", "beta": 0.9}}},
     "train.loss.beta", "class_weights: effective_number"),
    ({"model": {"name": "custom_head", "unfreeze_at": 2}}, "model.unfreeze_at", "freeze: true"),
    ({"model": {"name": "custom_head", "freeze": True, "layer_decay": 0.5}},
     "model.layer_decay", "unfreeze_at, since the backbone is frozen"),
    ({"model": {"name": "custom_head", "norm": "batch"}}, "model.norm", "hidden layers"),
    ({"model": {"name": "mlp", "hidden": (), "dropout": 0.5}}, "model.dropout", "hidden layers"),
    ({"train": {"optimizer": {"name": "sgd", "nesterov": True}}}, "train.optimizer.nesterov", "momentum above 0"),
    ({"train": {"optimizer": {"name": "sgd", "decoupled": True}}}, "train.optimizer.decoupled", "weight_decay"),
    ({"train": {"optimizer": {"name": "adam", "decay_all": True}}}, "train.optimizer.decay_all", "weight_decay or l1"),
    ({"data": {"name": "image_folder", "root": "x", "cache": "off", "cache_limit": 1.0}},
     "data.cache_limit", "a cache"),
    ({"data": {"name": "webdataset", "root": "x", "cache": "off", "cache_limit": 1.0}},
     "data.cache_limit", "a cache"),
]  # fmt: skip


def typed(values: dict[str, Any]) -> ExperimentConfig:
    images = {"data": "digits"} if "custom_head" in str(values) else {}
    return check_document(parse_document(as_yaml({**LEAST, **images, **values}), "test"), typed=True)


@pytest.mark.parametrize(("values", "key", "needed"), WITHOUT_EFFECT, ids=[key for _, key, _ in WITHOUT_EFFECT])
def test_an_option_that_would_do_nothing_is_named(values: dict[str, Any], key: str, needed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        typed(values)
    assert [(fault.key, fault.message) for fault in caught.value.faults] == [(key, f"has no effect without {needed}")]


@pytest.mark.parametrize("name", ["image_folder", "webdataset"])
def test_a_cache_is_a_path(name: str) -> None:
    with pytest.raises(ConfigError, match=r"data\.cache: must be the path of a folder, and no path holds a NUL"):
        typed({"data": {"name": name, "root": "x", "cache": "a\0b"}})


RANDOM = "backbone 'resnet18' starts from no trained weights, and what it starts from stays"


@pytest.mark.parametrize(
    ("options", "weights", "expected"),
    [
        ({}, None, []),
        ({"freeze": True}, "trained.pth", []),
        ({"freeze": True}, None, [(("model", "freeze"), RANDOM)]),
        ({"freeze": True, "unfreeze_at": 3}, None, []),
        ({"freeze": True, "unfreeze_at": 50}, "default",
         [(("model", "unfreeze_at"), "epoch 50 is never reached; the backbone stays frozen for all 3 epochs")]),
        ({"freeze": True, "unfreeze_at": 4}, None,
         [(("model", "freeze"), RANDOM),
          (("model", "unfreeze_at"), "epoch 4 is never reached; the backbone stays frozen for all 3 epochs")]),
    ],
)  # fmt: skip
def test_what_may_be_meant_so_gets_a_note(options: dict[str, Any], weights: str | None, expected: list[Any]) -> None:
    backbone = {"name": "resnet18", "weights": weights}
    config = typed({"model": {"name": "custom_head", "backbone": backbone, **options}})
    assert list(config.notes(3)) == expected


@pytest.mark.parametrize(
    ("sampling", "loss", "means"),
    [
        ("natural", {"class_weights": "balanced"}, None),
        ("square_root", {}, None),
        ("balanced", {"class_weights": {"a": 0.5}}, None),
        ("balanced", {"class_weights": "balanced"}, "train.sampling and class_weights"),
        ("square_root", {"logit_adjustment": 1.0}, "train.sampling and logit_adjustment"),
        ("natural", {"class_weights": "balanced", "logit_adjustment": 1.0}, "class_weights and logit_adjustment"),
    ],
)
def test_favouring_rare_classes_twice_gets_a_note(sampling: str, loss: dict[str, Any], means: str | None) -> None:
    config = typed({"train": {"sampling": sampling, "loss": {"name": "cross_entropy", **loss}}})
    notes = dict(config.notes(3))
    word = f"rare classes are favoured more than once, by {means}; one of them is usually enough"
    assert notes == ({("train", "loss"): word} if means else {})


def test_options_that_tell_torch_how_to_read_samples_are_not_for_numpy() -> None:
    for key, value in (("channels_last", True), ("resident", True), ("workers", 2)):
        with pytest.raises(ConfigError, match=rf"train\.{key}: has no effect with engine 'scratch'"):
            typed({"engine": "scratch", "train": {key: value}})
    typed({"engine": "scratch", "train": {"channels_last": False, "workers": 0}})


@pytest.mark.parametrize(
    "values",
    [
        {"train": {"loss": {"name": "cross_entropy", "class_weights": "effective_number", "beta": 0.9}}},
        {"train": {"loss": {"name": "cross_entropy", "beta": 0.999}}},
        {"model": {"name": "custom_head", "freeze": True, "unfreeze_at": 2, "backbone_lr": 0.1, "layer_decay": 0.5}},
        {"model": {"name": "custom_head", "hidden": (8,), "norm": "batch", "activation": "gelu"}},
        {"train": {"optimizer": {"name": "adam", "l1": 0.1, "decay_all": True}}},
        {"train": {"optimizer": {"name": "adamw", "weight_decay": 0.0}}},
    ],
)
def test_options_that_do_something_and_defaults_are_let_pass(values: dict[str, Any]) -> None:
    typed(values)


def test_defaults_are_never_without_effect() -> None:
    for registry in components.ALL.values():
        for name in registry.names():
            options = registry.entry(name).options
            if not any(field.is_required() for field in options.model_fields.values()):
                assert list(options().without_effect()) == [], name


def test_what_was_stored_stays_readable() -> None:
    stored = config(train={"loss": {"name": "cross_entropy", "beta": 0.9}})
    assert override_config(stored, {"train.epochs": 3}).train.epochs == 3
