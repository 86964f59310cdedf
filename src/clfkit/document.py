"""A YAML file as plain values that remember their lines; read without running or inflating anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from clfkit.errors import ConfigError, Fault, UsageError

MAX_BYTES = 1_000_000
MAX_NODES = 20_000  # after aliases are expanded: a bomb of nested aliases ends here
MAX_DEPTH = 40

KeyPath = tuple[str | int, ...]


@dataclass
class Document:
    """Plain values (dict, tuple, str, int, float, bool, None) and where each of them was written."""

    source: str
    values: dict[str, Any]
    places: dict[KeyPath, str] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """`file:line` of the value at `path`, or of the nearest group around it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return self.source

    def set(self, dotted: str, value: Any, place: str) -> None:
        """Put `value` at a dotted path, making groups on the way; a bare component name becomes a group."""
        path = tuple(dotted.split("."))
        group = self.values
        for depth, key in enumerate(path[:-1]):
            inner = group.get(key)
            if isinstance(inner, str):
                inner = {"name": inner}
            elif inner is None:
                inner = {}
            elif isinstance(inner, dict):
                inner = dict(inner)  # an alias may share this group with another place
            else:
                raise ConfigError([Fault(place, ".".join(path[: depth + 1]), "is a value and has no options")])
            group[key] = inner
            group = inner
        group[path[-1]] = value
        self.places = {at: where for at, where in self.places.items() if at[: len(path)] != path}
        self.places[path] = place


class _Resolver(yaml.SafeLoader):
    """PyYAML's loader with the scalars of YAML 1.2: `no` is text, `1e-3` a number, `1:30` and dates text."""


_Resolver.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("tag:yaml.org,2002:int", r"^[-+]?[0-9]+(?:_[0-9]+)*$", list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        r"^[-+]?(?:(?:\.[0-9]+|[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF))$"
        r"|^\.(?:nan|NaN|NAN)$",
        list("-+.0123456789"),
    ),
):
    _Resolver.add_implicit_resolver(_tag, re.compile(_pattern), _first)


def read_document(path: Path) -> Document:
    """Read a YAML file. Raises UsageError if it cannot be read, ConfigError with all faults of its form."""
    source = str(path)
    try:
        if path.is_dir():
            raise UsageError(f"{source}: is a folder, not a YAML file")
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError([Fault(source, "", f"larger than {MAX_BYTES:,} bytes: not a configuration")])
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{source}: {error.strerror or error}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError([Fault(f"{source}:{line}", "", "not UTF-8 text; save the file as UTF-8")]) from None
    return parse_document(text, source)


def parse_document(text: str, source: str) -> Document:
    """Parse YAML text whose root is a mapping. Raises ConfigError with all faults of its form."""
    root = _compose(text, source)
    if root is None:
        raise ConfigError([Fault(source, "", "empty; `clfkit init` writes a file to start from")])
    if not isinstance(root, yaml.MappingNode):
        kind = "a list" if isinstance(root, yaml.SequenceNode) else "a single value"
        raise ConfigError([Fault(f"{source}:{_line(root)}", "", f"must be a mapping (key: value), not {kind}")])
    reader = _Reader(source)
    values = reader.value(root, ())
    if reader.faults:
        raise ConfigError(reader.faults)
    return Document(source, values, reader.places)


def parse_value(text: str, source: str) -> Any:
    """One YAML value, as `--set key=VALUE` takes it. Raises ConfigError."""
    root = _compose(text, source)
    if root is None:
        return None
    reader = _Reader(source)
    value = reader.value(root, ())
    if reader.faults:
        raise ConfigError(reader.faults)
    return value


def _compose(text: str, source: str) -> yaml.Node | None:
    try:
        loader = _Resolver(text)
        node: yaml.Node | None = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}" if mark else source
        raise ConfigError([Fault(where, "", _syntax(error, text))]) from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise ConfigError(
            [Fault(f"{source}:{line}", "", f"not YAML: control character #x{ord(str(error.character)):02x}")]
        ) from None
    except RecursionError:
        raise ConfigError([Fault(source, "", f"nested deeper than {MAX_DEPTH} levels")]) from None
    return node


def _syntax(error: yaml.MarkedYAMLError, text: str) -> str:
    problem = error.problem or "cannot be read"
    lines = text.splitlines()
    line = lines[error.problem_mark.line] if error.problem_mark and error.problem_mark.line < len(lines) else ""
    if "'\\t'" in problem or "\t" in line[: len(line) - len(line.lstrip())]:
        return "not YAML: a tab in the indentation; use spaces"
    if "undefined alias" in problem:
        return f"not YAML: {problem} (an * at the start of a value needs quotes)"
    return f"not YAML: {problem}"


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


class _Reader:
    """Turns YAML nodes into plain values, noting places and gathering faults."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.places: dict[KeyPath, str] = {}
        self.faults: list[Fault] = []
        self._nodes = 0

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self._nodes += 1
        place = f"{self.source}:{_line(node)}" if self.source[:2] != "--" else self.source
        if self._nodes > MAX_NODES:
            raise ConfigError([Fault(place, "", f"aliases expand to more than {MAX_NODES:,} values")])
        if len(path) > MAX_DEPTH:
            raise ConfigError([Fault(place, "", f"nested deeper than {MAX_DEPTH} levels")])
        self.places.setdefault(path, place)
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return dict(self._pairs(node, path))
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return tuple(self.value(item, (*path, index)) for index, item in enumerate(node.value))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path, place)
        return self._fault(place, path, f"the tag {_short(node.tag)} is not allowed: plain values only")

    def _pairs(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, Any]]:
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            place = f"{self.source}:{_line(key_node)}"
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(place, path, "a key must be plain text")
                continue
            key = str(key_node.value)
            if key == "<<":
                self._fault(place, path, "merge keys (<<) are not supported; write the options out")
                continue
            if key in first:
                self._fault(place, (*path, key), f"given twice, first in line {first[key]}")
                continue
            first[key] = _line(key_node)
            self.places[(*path, key)] = place if self.source[:2] != "--" else self.source
            yield key, self.value(value_node, (*path, key))

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath, place: str) -> Any:
        text = str(node.value)
        match node.tag.removeprefix("tag:yaml.org,2002:"):
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                return int(text.replace("_", "")) if len(text) < 400 else text
            case "float":
                return float(re.sub(r"^([-+]?)\.(inf|nan)$", r"\1\2", text.lower()).replace("_", ""))
        return self._fault(place, path, f"the tag {_short(node.tag)} is not allowed: plain values only")

    def _fault(self, place: str, path: KeyPath, message: str) -> None:
        self.faults.append(Fault(place, dotted(path), message))


def dotted(path: KeyPath) -> str:
    """`("train", "optimizer", "lr")` → `train.optimizer.lr`."""
    return ".".join(map(str, path))


def _short(tag: str) -> str:
    return repr(tag.replace("tag:yaml.org,2002:", "!!"))
