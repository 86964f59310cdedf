"""A YAML file as plain values that remember their lines; read without running or inflating anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from clfkit.errors import ConfigError, Fault, UsageError
from clfkit.wording import printable, shown

MAX_BYTES = 200_000
MAX_NODES = 20_000  # after aliases are expanded: a bomb of nested aliases ends here
MAX_DEPTH = 40
MAX_INTEGER = 2**63 - 1  # what NumPy and torch can hold

KeyPath = tuple[str | int, ...]


@dataclass
class Document:
    """Plain values (dict, tuple, str, int, float, bool, None) and where each of them was written."""

    source: str
    values: dict[str, Any]
    places: dict[KeyPath, str] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """`file:line` of the value at `path`, or of the nearest group around it."""
        near = self.nearest(path)
        return self.places[near] if near else self.source

    def nearest(self, path: KeyPath) -> KeyPath:
        """`path`, or as much of its beginning as was written anywhere."""
        while path and path not in self.places:
            path = path[:-1]
        return path

    def set(self, target: str, value: Any, place: str) -> None:
        """Put `value` at a dotted path, making groups on the way; a bare component name becomes a group."""
        path = tuple(target.split("."))
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
                message = f"is {shown(inner)}, which has no options"
                raise ConfigError([Fault(place, dotted(path[: depth + 1]), message)])
            self.places.setdefault(path[: depth + 1], place)
            group[key] = inner
            group = inner
        group[path[-1]] = value
        self.places = {at: where for at, where in self.places.items() if at[: len(path)] != path}
        self.places[path] = place


class _Resolver(yaml.SafeLoader):
    """PyYAML's loader with the scalars of YAML 1.2: `no` is text, `1e-3` a number, `1:30` and dates text."""


_YAML = "tag:yaml.org,2002:"
_Resolver.yaml_implicit_resolvers = {}
_SCALARS = {
    "null": re.compile(r"^(?:~|null|Null|NULL|)$"),
    "bool": re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"),
    "int": re.compile(r"^[-+]?[0-9]+(?:_[0-9]+)*$"),
    "float": re.compile(
        r"^[-+]?(?:(?:\.[0-9]+|[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF))$"
        r"|^\.(?:nan|NaN|NAN)$"
    ),
}


class _Dumper(yaml.SafeDumper):
    """PyYAML's writer, which also puts quotes round text that YAML 1.2 would take for a number, such as `0E0`."""


for _kind, _pattern in _SCALARS.items():
    for _side in (_Resolver, _Dumper):
        _side.add_implicit_resolver(_YAML + _kind, _pattern, None)


def as_yaml(value: Any, **layout: Any) -> str:
    """Plain values as the text of a YAML file, which reads back as the same values. layout: options of PyYAML's."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, **layout)
    return text


def read_document(path: Path) -> Document:
    """Read a YAML file. Raises UsageError if it cannot be read, ConfigError with all faults of its form."""
    source = printable(str(path), 400)
    try:
        if path.is_dir():
            of_run = f"; for the experiment of a run give {source}/config.yaml" * (path / "config.yaml").is_file()
            raise UsageError(f"{source}: is a folder, not a YAML file{of_run}")
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
    root = _compose(text, source, lines=True)
    if root is None or root.tag == _YAML + "null":
        raise ConfigError([Fault(source, "", "empty; `clfkit init` writes a file to start from")])
    if not isinstance(root, yaml.MappingNode):
        kind = "a list" if isinstance(root, yaml.SequenceNode) else "a single value"
        raise ConfigError([Fault(f"{source}:{_line(root)}", "", f"must be a mapping (key: value), not {kind}")])
    reader = _Reader(source)
    values = reader.value(root, ())
    if reader.faults:
        raise ConfigError(reader.faults)
    return Document(source, values or {}, reader.places)


def parse_value(text: str, source: str, path: KeyPath = ()) -> Any:
    """One YAML value, as `--set key=VALUE` takes it; `path` is that of the key. Raises ConfigError."""
    root = _compose(text, source, lines=False)
    if root is None:
        return None
    reader = _Reader(source, lines=False)
    value = reader.value(root, path)
    if reader.faults:
        raise ConfigError(reader.faults)
    return value


def _compose(text: str, source: str, *, lines: bool) -> yaml.Node | None:
    """The node tree of one YAML document. With `lines`, places in faults are `source:line`."""

    def place(index: int) -> str:
        return f"{source}:{index + 1}" if lines else source

    try:
        loader = _Resolver(text)
        node: yaml.Node | None = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        line, message = _syntax(error, text)
        raise ConfigError([Fault(place(line), "", f"not YAML: {message}")]) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        message = f"not YAML: the character U+{int(error.character):04X} is not allowed"
        raise ConfigError([Fault(place(before.count("\n")), "", message)]) from None
    except RecursionError:
        raise ConfigError([Fault(source, "", f"nested deeper than {MAX_DEPTH} levels")]) from None
    except (ValueError, OverflowError):  # PyYAML's own slips: "\UFFFFFFFF", a version of 5000 digits
        message = "not YAML: an escape sequence or a directive holds a number that is too large"
        raise ConfigError([Fault(source, "", message)]) from None
    return node


_BEGUN = {  # what PyYAML says → what to say, of the line where the trouble began
    "found unexpected end of stream": "a quoted text is never closed",
    "found unexpected document separator": "a quoted text is never closed",
    "expected ',' or ']'": "a list [ is not closed, or a comma is missing in it",
    "expected ',' or '}'": "a group { is not closed, or a comma is missing in it",
    "could not find expected ':'": "a line without 'key: value' (a space follows the colon)",
    "while scanning a directive": "a line that starts with % needs quotes",
}
_ENDED = {  # the same, of the line where it was noticed
    "mapping values are not allowed": "a ':' where none can be; check the indentation, quote text with ': ' in it",
    "expected <block end>": "this line does not continue what stands above it; check indentation and brackets",
    "expected '<document start>'": "text that belongs to no key; is this file YAML?",
    "but found another document": "a second document (---) in one file",
    "found unknown escape character": "an unknown \\ escape; in single quotes a \\ is just a \\",
    "expected escape sequence of": "an incomplete \\ escape; in single quotes a \\ is just a \\",
    "expected alphabetic or numeric character": "a text that starts with * or & needs quotes",
    "that cannot start any token": "a text that starts with one of % @ ` needs quotes",
}


def _syntax(error: yaml.MarkedYAMLError, text: str) -> tuple[int, str]:
    """Line (from 0) and plain words for an error of PyYAML's."""
    problem = error.problem or "cannot be read"
    at, begun = error.problem_mark or error.context_mark, error.context_mark or error.problem_mark
    if at is None or begun is None:
        return 0, printable(problem)
    lines = text.splitlines()
    line = lines[at.line] if at.line < len(lines) else ""
    if "'\\t'" in problem or "\t" in line[: len(line) - len(line.lstrip())]:
        return at.line, "a tab; YAML takes only spaces here"
    if "undefined alias" in problem:
        return at.line, f"{printable(problem)} (an * at the start of a text needs quotes)"
    for mark, wordings in ((begun, _BEGUN), (at, _ENDED)):
        for words, message in wordings.items():
            if words in problem or words == error.context:
                return mark.line, message
    return at.line, printable(problem)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


class _Reader:
    """Turns YAML nodes into plain values, noting places and gathering faults."""

    def __init__(self, source: str, *, lines: bool = True) -> None:
        self.source = source
        self.lines = lines
        self.places: dict[KeyPath, str] = {}
        self.faults: list[Fault] = []
        self._nodes = 0

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        """The plain value of a node; None where there is a fault."""
        self._nodes += 1
        place = self._place(node)
        if self._nodes > MAX_NODES:
            raise ConfigError([Fault(place, "", f"more than {MAX_NODES:,} values, aliases written out")])
        if len(path) > MAX_DEPTH:
            raise ConfigError([Fault(place, "", f"nested deeper than {MAX_DEPTH} levels")])
        self.places.setdefault(path, place)
        if isinstance(node, yaml.MappingNode) and node.tag == _YAML + "map":
            return dict(self._pairs(node, path))
        if isinstance(node, yaml.SequenceNode) and node.tag == _YAML + "seq":
            return tuple(self.value(item, (*path, index)) for index, item in enumerate(node.value))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        return self._foreign(node, path)

    def _place(self, node: yaml.Node) -> str:
        return f"{self.source}:{_line(node)}" if self.lines else self.source

    def _pairs(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, Any]]:
        first: dict[str, str] = {}
        for key_node, value_node in node.value:
            place = self._place(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(place, path, "a key must be plain text, not a list or a group")
                continue
            key = str(key_node.value)
            if key_node.tag != _YAML + "str" and key_node.tag.removeprefix(_YAML) not in _SCALARS:
                self._foreign(key_node, (*path, key))
            elif not _is_text(key):
                self._fault(place, (*path, key), "half of a surrogate pair is no text")
            elif key == "<<":
                self._fault(place, path, "merge keys (<<) are not supported; write the options out")
            elif key in first:
                line = f", first in line {first[key].rpartition(':')[2]}" if self.lines else ""
                self._fault(place, (*path, key), f"given twice{line}")
            else:
                first[key] = self.places[(*path, key)] = place
                yield key, self.value(value_node, (*path, key))

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        text = str(node.value)
        kind = node.tag.removeprefix(_YAML)
        if kind == "str":
            if not _is_text(text):
                self._fault(self._place(node), path, "half of a surrogate pair is no text")
            return text
        if kind not in _SCALARS:
            return self._foreign(node, path)
        if not _SCALARS[kind].fullmatch(text):
            return self._fault(self._place(node), path, f"{shown(text)} does not fit its tag !!{kind}")
        match kind:
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" if len(text) > 100 or abs(int(text.replace("_", ""))) > MAX_INTEGER:
                return self._fault(self._place(node), path, f"{printable(text, 30)} is too large a number")
            case "int":
                return int(text.replace("_", ""))
        return float(re.sub(r"^([-+]?)\.(inf|nan)$", r"\1\2", text.lower()).replace("_", ""))

    def _foreign(self, node: yaml.Node, path: KeyPath) -> None:
        tag = shown(node.tag.replace(_YAML, "!!"))
        self._fault(self._place(node), path, f"the tag {tag} is not allowed: plain values only")

    def _fault(self, place: str, path: KeyPath, message: str) -> None:
        self.faults.append(Fault(place, dotted(path), message))


def _is_text(text: str) -> bool:
    """Whether text can be written to a file: a lone surrogate cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def dotted(path: KeyPath) -> str:
    """`("train", "optimizer", "lr")` → `train.optimizer.lr`; an empty key shows as ''."""
    return ".".join(printable(str(part), 60) or "''" for part in path)
