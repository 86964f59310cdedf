"""The configuration of one experiment: from YAML to a frozen ExperimentConfig, or to all of its faults."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeInt,
    ValidationError,
)

from clfkit import components
from clfkit.components import DataOptions, NoOptions
from clfkit.document import Document, KeyPath, dotted, parse_value, read_document
from clfkit.errors import ConfigError, Fault
from clfkit.listing import Names, OneOrMore
from clfkit.options import Options, fault
from clfkit.registry import Component, Entry, Registry, plain
from clfkit.train_options import TrainOptions
from clfkit.wording import printable, shown

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


def _folder_name(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        rule = "up to 100 letters, digits, dots, dashes and underscores, with a letter or digit first"
        raise fault(f"names a folder, so it must be {rule}, not {shown(name)}")
    return name


SNAPSHOT_OPTIONS = ("train.snapshots", "train.snapshots.every", "train.snapshots.last")
STORAGE_OPTIONS = ("data.root", "data.download", "data.memory", "data.cache", "data.cache_limit", "train.workers")
FREE_OPTIONS = (*STORAGE_OPTIONS, "train.log_every", "baselines", "report", "track", *SNAPSHOT_OPTIONS)
"""Options that no result depends on: what is printed or kept, and where samples are and when they are read.

Their fingerprint tells which samples they are. A decoder is none of these: each makes slightly other pixels.
"""

TORCH_ONLY = ("channels_last", "resident", "workers")
"""Options under `train` that tell torch how samples reach the device."""

NAMED = {"baselines": Names(components.baselines), "plots": Names(components.plots)}
"""The options that list names alone."""

RunName = Annotated[str, AfterValidator(_folder_name), Field(json_schema_extra={"pattern": _NAME})]
"""A name that is safe as a folder: letters, digits, dot, dash and underscore, no path."""


class ExperimentConfig(Options):
    """Everything that defines one experiment."""

    name: RunName = Field(description="name of the experiment and of its folder under outputs/")
    seed: Annotated[NonNegativeInt, Field(lt=2**63)] = Field(42, description="seed of every random stream")
    engine: Annotated[Component[NoOptions], components.engines] = Field(
        "auto", validate_default=True, description="what computes: torch, scratch (NumPy), or auto, the faster of them"
    )
    data: Annotated[Component[DataOptions], components.datasets] = Field(description="the samples")
    model: Annotated[Component[NoOptions], components.models] = Field(description="the network")
    train: TrainOptions = Field(default_factory=TrainOptions, description="how the model is trained")
    baselines: Annotated[Literal["auto"] | tuple[str, ...], NAMED["baselines"]] = Field(
        "auto", description="what the model is compared with at the end: `auto` for all, or a list of names"
    )
    plots: Annotated[Literal["auto"] | tuple[str, ...], NAMED["plots"]] = Field(
        "auto", description="figures drawn at the end: `auto` for all that suit the data, or a list of names"
    )
    report: bool = Field(True, description="write report.html at the end: the whole run on one page")
    track: Annotated[tuple[Annotated[Component[NoOptions], components.trackers], ...], OneOrMore()] = Field(
        (), description="programs that show the run too, while it goes"
    )

    @property
    def data_seed(self) -> int:
        """Seed of the samples and the split."""
        return self.seed if self.data.options.seed is None else self.data.options.seed

    @property
    def needs_valid(self) -> list[str]:
        """The options of `train` that watch the valid split."""
        used = {
            "early_stopping": self.train.early_stopping is not None,
            "best": self.train.best is not None,
            "schedule": self.train.schedule.name == "plateau",
        }
        return [key for key, watches in used.items() if watches]

    def plain(self) -> dict[str, Any]:
        """As plain values with every default written out."""
        return dict(plain(self))

    def misfits(self) -> Iterator[tuple[KeyPath, str]]:
        """Parts that are right by themselves and wrong together, as far as can be known without the data."""
        yield from self._misfit_components()
        yield from self._misfit_engine()
        split, size = self.data.options.split, self.train.batch_size
        if isinstance(split.valid, float) and isinstance(split.test, float) and split.valid + split.test >= 1:
            message = f"valid ({split.valid}) and test ({split.test}) leave nothing to train on"
            yield ("data", "split"), message
        # Datasets of one's own, whose classes only the files know, may bring a valid split: see needs_valid.
        if split.valid == 0 and components.datasets.entry(self.data.name).classes is not None:
            for key in self.needs_valid:
                yield ("train", key), "needs a valid split, but data.split.valid is 0"
        if isinstance(size, int) and self.train.accumulate > size:
            message = f"must be at most batch_size ({size}), not {self.train.accumulate}"
            yield ("train", "accumulate"), message
        names = [tracker.name for tracker in self.track]
        yield from ((("track", i), f"{name!r} stands here twice") for i, name in enumerate(names) if name in names[:i])

    def without_effect(self) -> Iterator[tuple[KeyPath, str]]:
        """See Options. The NumPy engine takes samples as they come."""
        yield from super().without_effect()
        if self.engine.name == "scratch":
            for key in TORCH_ONLY:
                if getattr(self.train, key) not in ("auto", False):
                    yield ("train", key), "has no effect with engine 'scratch'"

    def _misfit_components(self) -> Iterator[tuple[KeyPath, str]]:
        yield from self._misfit(("model",), components.models.entry(self.model.name))
        yield from self._misfit(("train", "loss"), components.losses.entry(self.train.loss.name))
        for index, chosen in enumerate(self.train.augment):
            yield from self._misfit(("train", "augment", index), components.augmentations.entry(chosen.name))
        if self.train.mix:
            yield from self._misfit(("train", "mix"), components.mixings.entry(self.train.mix.name))
        yield from _unknown_names({key: getattr(self, key) for key in NAMED})
        for key, named in NAMED.items():
            names = getattr(self, key)
            unknown = {index for index, _ in named.unknown(names)}
            for index, name in enumerate(() if names == "auto" else names):
                if index in unknown:
                    continue
                entry = named.registry.entry(name)
                yield from self._misfit((key, index), entry)
                if entry.snapshots and self.train.snapshots is None:
                    yield (key, index), f"{name!r} shows snapshots, and train.snapshots is not set"

    def _misfit_engine(self) -> Iterator[tuple[KeyPath, str]]:
        """What the engine cannot build, and options that it does not take."""
        name, train = self.engine.name, self.train
        engine = components.engines.entry(name)
        parts: list[tuple[KeyPath, Registry[Any], str]] = [
            (("model",), components.models, self.model.name),
            (("train", "loss"), components.losses, train.loss.name),
            (("train", "optimizer"), components.optimizers, train.optimizer.name),
        ]
        parts += [
            (("train", "augment", i), components.augmentations, each.name) for i, each in enumerate(train.augment)
        ]
        parts += [(("train", "mix"), components.mixings, train.mix.name)] if train.mix else []
        for path, registry, component in parts:
            if not registry.serves(component, engine.engine or name):
                has = ", ".join(registry.names(engine.engine or name)) or "none"
                yield path, f"engine {name!r} has no {registry.kind} {component!r}; it has: {has}"
        for key, accepted in engine.accepts.items():
            value = attrgetter(key)(self)
            if value not in accepted:
                yield (
                    tuple(key.split(".")),
                    f"engine {name!r} takes {' or '.join(map(shown, accepted))}, not {shown(value)}",
                )

    def _misfit(self, path: KeyPath, entry: Entry[Any]) -> Iterator[tuple[KeyPath, str]]:
        """What a component needs and the dataset does not have."""
        data = components.datasets.entry(self.data.name)
        if entry.inputs and data.inputs and entry.inputs != data.inputs:
            yield (
                path,
                f"{entry.name!r} needs {entry.inputs} data; {data.name!r} has {data.inputs} data",
            )
        option = data.classes
        classes = getattr(self.data.options, option) if isinstance(option, str) else option
        if entry.classes is not None and isinstance(classes, int) and entry.classes != classes:
            yield path, f"{entry.name!r} needs {entry.classes} classes; {data.name!r} has {classes}"


def _unknown_names(values: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    for key, named in NAMED.items():
        yield from (((key, index), message) for index, message in named.unknown(values.get(key)))


def load_config(path: str | Path, overrides: Sequence[str] | Mapping[str, Any] = ()) -> ExperimentConfig:
    """Read a YAML file, apply overrides, validate. No data is read and nothing heavy is imported.

    overrides: `["train.epochs=5", …]` as typed after `--set`, or `{"train.epochs": 5}` from Python.
    Raises UsageError for an unreadable file, ConfigError with every fault otherwise.
    """
    document = read_document(Path(path))
    return check_document(_overridden(document, overrides), typed=True)


def override_config(config: ExperimentConfig, overrides: Sequence[str] | Mapping[str, Any]) -> ExperimentConfig:
    """A config with options changed as by `--set`. Raises ConfigError."""
    return check_document(_overridden(Document("the stored config", _with_tuples(config.plain())), overrides))


def _overridden(document: Document, overrides: Sequence[str] | Mapping[str, Any]) -> Document:
    faults: list[Fault] = []
    for dotted_key, value, place in _overrides(overrides, faults):
        try:
            document.set(dotted_key, value, place)
        except ConfigError as error:
            faults.extend(error.faults)
    if faults:
        raise ConfigError(faults)
    return document


def check_document(document: Document, *, typed: bool = False) -> ExperimentConfig:
    """Validate plain values as an ExperimentConfig. Raises ConfigError with every fault, in file order.

    typed: by a user, who is told of options without effect too; what a run or checkpoint has stored stays readable.
    """
    try:
        config = ExperimentConfig.model_validate(document.values)
    except ValidationError as error:
        found = [(line["loc"], line["msg"]) for line in error.errors(include_url=False)]
        found += _unknown_names(document.values)  # which is else found with what does not fit
    else:
        found = [*config.misfits(), *(config.without_effect() if typed else ())]
        if not found:
            return config
    order = {path: index for index, path in enumerate(document.places)}
    found.sort(key=lambda item: order.get(document.nearest(item[0]), len(order)))
    raise ConfigError(Fault(document.place(path), dotted(path), message) for path, message in found)


def config_from_plain(values: Mapping[str, Any], source: str) -> ExperimentConfig:
    """The config that a run or checkpoint has stored. Raises ConfigError naming `source`."""
    return check_document(Document(source, _with_tuples(dict(values))))


def changed_options(old: ExperimentConfig, new: ExperimentConfig) -> list[str]:
    """`key: old → new` for every option in which two configs differ."""
    changes = differing_options([old, new])
    return [f"{key}: {before or 'not set'} → {after or 'not set'}" for key, (before, after) in changes.items()]


def changed_data(old: ExperimentConfig, new: ExperimentConfig) -> list[str]:
    """`key: old → new` for every option of the data, and the seed that draws samples or their split."""
    changes = [each for each in changed_options(old, new) if each.startswith("data.")]
    if old.data_seed != new.data_seed and not any(each.startswith("data.seed") for each in changes):
        changes.append(f"seed of the data: {old.data_seed} → {new.data_seed}")
    return changes


def differing_options(configs: Sequence[ExperimentConfig]) -> dict[str, tuple[str | None, ...]]:
    """Every option in which some configs differ, by its dotted key: its value in each, None where it has no such."""
    every = [leaves(config) for config in configs]
    keys = dict.fromkeys(key for each in every for key in each)
    values = {key: tuple(each.get(key) for each in every) for key in keys}
    return {key: row for key, row in values.items() if len(set(row)) > 1}


def config_schema() -> dict[str, Any]:
    """JSON Schema of the YAML file, for completion and checks in editors."""
    schema = ExperimentConfig.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "clfkit experiment"}


def _overrides(given: Sequence[str] | Mapping[str, Any], faults: list[Fault]) -> Iterator[tuple[str, Any, str]]:
    """(dotted key, value, where it was given) of each override; what is malformed goes to `faults`."""
    for text in given:
        key, equals, written = (text, "=", "") if isinstance(given, Mapping) else text.partition("=")
        path = tuple(key.strip().split("."))
        place = f"override {printable(key)}" if isinstance(given, Mapping) else f"--set {printable(text)}"
        if not equals or not all(path):
            faults.append(Fault(place, "", "must look like key.key=value, for example train.epochs=5"))
            continue
        try:
            value = given[text] if isinstance(given, Mapping) else parse_value(written, place, path)
        except ConfigError as error:
            faults.extend(error.faults)
        else:
            yield ".".join(path), _with_tuples(value), place


def _with_tuples(value: Any) -> Any:
    """Lists as tuples at every depth: the form that options are validated in."""
    if isinstance(value, dict):
        return {key: _with_tuples(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(_with_tuples(item) for item in value)
    return value


def leaves(value: Any, prefix: str = "") -> dict[str, str]:
    """Every single option below `value` as {dotted key: value as it would be typed}."""
    if isinstance(value, Component):
        return {f"{prefix}.name": shown(value.name), **leaves(value.options, prefix)}
    if not isinstance(value, Options):
        return {prefix: shown(plain(value), 200)}
    found: dict[str, str] = {}
    for key in type(value).model_fields:
        found |= leaves(getattr(value, key), f"{prefix}.{key}" if prefix else key)
    return found
