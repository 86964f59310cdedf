"""The configuration reference, written from the registries: for the terminal, the README and starter files."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from clfkit.components import ALL, DataOptions, engines
from clfkit.config import ExperimentConfig
from clfkit.document import as_yaml
from clfkit.options import Options
from clfkit.registry import Component, Entry, Registry, plain
from clfkit.train_options import TrainOptions

ENGINE_BOUND = ("model", "loss", "optimizer", "augmentation", "mixing")
"""Kinds whose members an engine builds, each engine perhaps not all of them."""


@dataclass(frozen=True)
class OptionText:
    """One option as text: its name, what it accepts, its default as YAML ("" if required), what it does."""

    name: str
    accepts: str
    default: str
    description: str


def option_texts(model: type[Options], group: Options | None = None) -> Iterator[OptionText]:
    """Every option of a group, nested groups under dotted names. `group` holds defaults that differ."""
    schema = model.model_json_schema()
    for name, info in model.model_fields.items():
        annotation = info.annotation
        default = getattr(group, name) if group else info.get_default(call_default_factory=True)
        if isinstance(annotation, type) and issubclass(annotation, Options) and isinstance(default, Options):
            for inner in option_texts(annotation, default):
                yield OptionText(f"{name}.{inner.name}", inner.accepts, inner.default, inner.description)
            continue
        registries = _registries(info.metadata, *typing.get_args(annotation))
        accepts = _accepts(schema["properties"][name], schema.get("$defs", {}), registries)
        shown = "" if info.is_required() else in_one_line(default)
        yield OptionText(name, accepts, shown, info.description or "")


def describe_entry(registry: Registry[Any], entry: Entry[Any]) -> str:
    """A component for the terminal: what it is, then one paragraph an option."""
    lines = [f"{registry.kind} {entry.name}", "", entry.doc]
    needs = [f"{entry.inputs} data"] if entry.inputs else []
    needs += [f"{entry.classes} classes"] if isinstance(entry.classes, int) else []
    needs += ["train.snapshots"] if entry.snapshots else []
    if needs:
        lines += ["", f"{'Makes' if registry.kind == 'dataset' else 'Needs'}: {', '.join(needs)}."]
    if registry.kind in ENGINE_BOUND:
        built = [name for name in engines.names() if engines.entry(name).engine == name]  # others pass the work on
        lines += ["", f"Engines: {', '.join(name for name in built if registry.serves(entry.name, name))}."]
    options = list(option_texts(entry.options))
    lines += ["", "Options:" if options else "It has no options."]
    for option in options:
        default = f"default {option.default}" if option.default else "required"
        lines += [f"  {option.name}: {option.accepts}, {default}", f"      {option.description}"]
    return "\n".join(lines)


def experiment_reference() -> str:
    """The keys of a config as Markdown tables."""
    return "\n".join(
        [
            "Top level:\n",
            _table(ExperimentConfig, skip={"train"}),
            "\nUnder `data`, beside the options of the dataset:\n",
            _table(DataOptions),
            "\nUnder `train`:\n",
            _table(TrainOptions),
            "",
        ]
    )


def component_reference() -> str:
    """Every component with its options, as Markdown."""
    parts = []
    for plural, registry in ALL.items():
        parts.append(f"## {plural.capitalize()}\n")
        for name in registry.names():
            entry = registry.entry(name)
            parts.append(f"- **`{name}`**: {entry.summary}")
            own = (option for option in option_texts(entry.options) if option.name in entry.own)
            parts += [f"  - {_markdown(option)}" for option in own]
        shared = [f"- {_markdown(option)}" for option in option_texts(registry.shared)]
        if shared:
            parts += [f"\nEvery {registry.kind} also takes:\n", *shared]
        parts.append("")
    return "\n".join(parts)


def starter(dataset: str, model: str, file: str) -> str:
    """A commented YAML file for a dataset and a model, every option at its default. file: where it will stand."""
    lines = [
        f"# {dataset} with {model}. Train it with:  clfkit train {file}",
        "# Every option stands at its default; delete what you do not change.",
        f"name: {dataset}",
        "seed: 42",
        "",
        "data:",
        *_component_lines(ALL["datasets"], dataset),
        "",
        "model:",
        *_component_lines(ALL["models"], model),
        "",
        "train:",
        *_option_lines(TrainOptions),
    ]
    return "\n".join(lines) + "\n"


def in_one_line(value: Any) -> str:
    """A value as one line of YAML; a component without changed options as its name."""
    if isinstance(value, Component):
        value = value.name
    text = as_yaml(plain(value), default_flow_style=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _component_lines(registry: Registry[Any], name: str) -> Iterator[str]:
    entry = registry.entry(name)
    yield f"  name: {name}  # {entry.summary}"
    yield from _option_lines(entry.options)


def _option_lines(model: type[Options], defaults: Options | None = None, indent: str = "  ") -> Iterator[str]:
    """A line of YAML for each option; nested groups, and components with their options, further in under their name."""
    group = ""
    for option in option_texts(model, defaults):
        outer, _, inner = option.name.rpartition(".")
        if outer and outer != group:
            yield f"{indent}{outer}:"
        group = outer
        part = None if outer else _default_component(model, option.name)
        if part is None:
            line = OptionText(inner, option.accepts, option.default, option.description)
            yield _yaml_line(line, f"{indent}  " if outer else indent)
        else:
            yield f"{indent}{option.name}:  # {option.description}"
            yield f"{indent}  name: {part.name}"
            yield from _option_lines(type(part.options), part.options, f"{indent}  ")


def _default_component(model: type[Options], option: str) -> Component[Any] | None:
    """The component that an option is by default, if it is one that has options."""
    field = model.model_fields[option]
    default = field.get_default(call_default_factory=True)
    registries = _registries(field.metadata)
    if field.is_required() or default is None or isinstance(default, tuple) or not registries:
        return None
    component: Component[Any] = registries[0].parse(default)
    return component if type(component.options).model_fields else None


def _yaml_line(option: OptionText, indent: str) -> str:
    if not option.default:
        return f"{indent}{option.name}:  # required: {option.description}"
    return f"{indent}{option.name}: {option.default}  # {option.description}"


def _table(model: type[Options], skip: set[str] | None = None) -> str:
    rows = ["| key | accepts | default | what it does |", "|---|---|---|---|"]
    for option in option_texts(model):
        if option.name.split(".")[0] not in (skip or ()):
            default = f"`{option.default}`" if option.default else "required"
            rows.append(f"| `{option.name}` | {option.accepts.replace('|', '/')} | {default} | {option.description} |")
    return "\n".join(rows)


def _markdown(option: OptionText) -> str:
    default = f"default `{option.default}`" if option.default else "required"
    return f"`{option.name}` ({option.accepts}, {default}): {option.description}"


def _registries(metadata: Sequence[Any], *members: Any) -> list[Registry[Any]]:
    """The registry whose components an option takes, by itself or as members of a list."""
    every = [*metadata, *(item for member in members for item in getattr(member, "__metadata__", ()))]
    return [item for item in (getattr(item, "registry", item) for item in every) if isinstance(item, Registry)]


def _accepts(schema: dict[str, Any], definitions: dict[str, Any], registries: Sequence[Registry[Any]]) -> str:
    """A JSON Schema in the words of the reference."""
    for registry in registries:
        choices = schema.get("anyOf", ())
        if any(choice.get("type") == "array" for choice in choices):
            return "`auto` or " * ({"const": "auto"} in choices) + f"list of {registry.kind}s"
        return f"a {registry.kind}" if registry.kind[0] not in "aeiou" else f"an {registry.kind}"
    if "$ref" in schema:
        inner = definitions[schema["$ref"].rsplit("/", 1)[-1]]["properties"]
        return "{" + ", ".join(f"{name}: {_accepts(each, definitions, [])}" for name, each in inner.items()) + "}"
    if "anyOf" in schema:
        return " or ".join(_accepts(choice, definitions, []) for choice in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{choice}`" for choice in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kinds = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text"}
    kind = schema.get("type", "any")
    if kind == "array":
        items = schema.get("prefixItems") or [schema.get("items", {})]
        inner = _accepts(items[0], definitions, [])
        return f"[{', '.join([inner] * len(items))}]" if "prefixItems" in schema else f"list of {_plural(inner)}"
    if kind == "object":
        return "{name: " + _accepts(schema.get("additionalProperties", {}), definitions, []) + "}"
    if kind == "null":
        return "empty"
    return " ".join([kinds.get(kind, "value"), *_bounds(schema)])


def _plural(kind: str) -> str:
    if kind.startswith("{"):
        return kind
    return kind.replace("number", "numbers", 1) if "number" in kind else "names"


def _bounds(schema: dict[str, Any]) -> list[str]:
    words = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    return [f"{sign} {schema[key]:g}" for key, sign in words.items() if key in schema and schema[key] < 2**53]
