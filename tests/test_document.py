"""YAML text as plain values with their places; nothing but ClfkitError for any text."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clfkit.config import check_document
from clfkit.document import Document, dotted, parse_document, parse_value, read_document
from clfkit.errors import ClfkitError, ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3), ("1E5", 1e5), (".5", 0.5), ("+1e-3", 1e-3), ("-1.5e+2", -150.0), ("1.", 1.0), ("1e3", 1000.0),
        ("5", 5), ("+5", 5), ("-5", -5), ("0123", 123), ("1_000", 1000), ("1_000.5", 1000.5), (".inf", math.inf),
        ("-.INF", -math.inf), ("true", True), ("False", False), ("~", None), ("null", None), ("", None),
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("y", "y"), ("1:30", "1:30"), ("0x1F", "0x1F"),
        ("0o17", "0o17"), ("2024-01-01", "2024-01-01"), ("1e", "1e"), (".", "."), ("+", "+"), ("-.", "-."),
        ("1.2.3", "1.2.3"),
        ("inf", "inf"), ("nan", "nan"), ("=", "="),
        ("'5'", "5"), ('"true"', "true"), ("! x", "x"), ("!!str 5", "5"),
        ("!!float 5", 5.0), ("!!int '5'", 5), ("[1, [2, a]]", (1, (2, "a"))), ("{a: {b: 1}}", {"a": {"b": 1}}),
    ],
)  # fmt: skip
def test_values(text: str, value: Any) -> None:
    found = parse_value(text, "here")
    assert found == value and type(found) is type(value)


def test_not_a_number() -> None:
    assert math.isnan(parse_value(".nan", "here"))


@pytest.mark.parametrize(
    "raw",
    [
        b"name: a\r\nlist:\r\n  - 1\r\n  - 2\r\n",
        b"\xef\xbb\xbfname: a\nlist: [1, 2]\n",
        b"%YAML 1.2\n---\nname: a\nlist: [1, 2]\n...\n",
        b"name:   a   # a comment\nlist:\n- 1\n- 2",
        b'{"name": "a", "list": [1, 2]}',
        "# Überschrift 😀\nname: &x a # *x\nlist: [1, 2]\n".encode(),
    ],
)
def test_files_that_are_fine(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "fine.yaml"
    path.write_bytes(raw)
    assert read_document(path).values == {"name": "a", "list": (1, 2)}


def test_places() -> None:
    document = parse_document("a: 1\nb:\n  c: [1,\n    2]\n  d:\n    - x\n", "f.yaml")
    places = {dotted(path): place for path, place in document.places.items() if path}
    assert places == {
        "a": "f.yaml:1", "b": "f.yaml:2", "b.c": "f.yaml:3", "b.c.0": "f.yaml:3", "b.c.1": "f.yaml:4",
        "b.d": "f.yaml:5", "b.d.0": "f.yaml:6",
    }  # fmt: skip
    assert document.place(("b", "c", 1, "deeper")) == "f.yaml:4"
    assert document.place(("nowhere", "to", "be", "found")) == "f.yaml"
    assert document.nearest(("b", "x", "y")) == ("b",)


def test_set_makes_groups_and_moves_places() -> None:
    document = parse_document("a: {b: 1, c: 2}\nd: name\n", "f.yaml")
    document.set("a.b", 5, "--set a.b=5")
    document.set("d.e.f", 6, "--set d.e.f=6")
    document.set("g.h", 7, "--set g.h=7")
    assert document.values == {"a": {"b": 5, "c": 2}, "d": {"name": "name", "e": {"f": 6}}, "g": {"h": 7}}
    assert document.place(("a", "b")) == "--set a.b=5"
    assert document.place(("a", "c")) == "f.yaml:1"
    assert document.place(("d", "e", "f")) == "--set d.e.f=6"


def test_set_leaves_other_uses_of_an_alias_alone() -> None:
    document = parse_document("a: &x {k: 1}\nb: *x\n", "f.yaml")
    document.set("a.k", 2, "--set")
    assert document.values == {"a": {"k": 2}, "b": {"k": 1}}


def test_dotted_shows_control_characters_and_empty_keys() -> None:
    assert dotted(("a\x1b\n", "", 3)) == "a\\x1b\\n.''.3"


def refused(text: str) -> bool:
    """Whether `text` is no config. Raises whatever is no ClfkitError."""
    try:
        check_document(parse_document(text, "fuzz.yaml"))
    except ClfkitError as error:
        message = str(error)
        assert message
        assert all(line.isprintable() for line in message.split("\n")), ascii(message)
        assert not isinstance(error, ConfigError) or len(message.split("\n")) == len(error.faults)
        return True
    return False


YAML_BITS = [
    "name", "data", "model", "train", "plots", "seed", "blobs", "mlp", ": ", ":", "\n", "\n  ", "\n- ", "- ",
    "? ", "[", "]", "{", "}", ",", "&a ", "*a", "!!int ", "!!float ", "!!map ", "!!python/name:os.system ",
    "!x ", "!<int> ", "%YAML 1.1\n", "%TAG ! x\n", "---\n", "...\n", "<<", "|", ">-\n", "'", '"', "\\",
    "\\U0011FFFF", "\\ud800", "\\x", "#", "\t", "\r", "~", "1e-3", ".nan", "9" * 30, "true", "@", "`",
    "\x85", "\u2028", "\ufeff", "\x00", "\x1b", "é", "epochs", "optimizer", "lr",
]  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(st.text())
@example("\ud800")
@example("\ufeff\ufeff")
@example('"\\U99999999"')
@example("!!int a")
@example("? ? ? a")
@example("%YAML " + "1" * 5000 + ".1\n---\n")
@example("!%ff%fe x")
@example("!<" + "%41" * 100 + "> {}")
def test_any_text_is_refused_in_plain_words(text: str) -> None:
    assert refused(text)


@settings(deadline=None, max_examples=400)
@given(st.lists(st.sampled_from(YAML_BITS), max_size=25).map("".join))
def test_anything_like_yaml_is_refused_in_plain_words(text: str) -> None:
    refused(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["adam", "mlp"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
KEYS = [
    "name", "seed", "engine", "data", "model", "train", "plots", "data.name", "data.split",
    "data.split.valid", "data.samples", "model.hidden", "model.name", "train.epochs", "train.batch_size",
    "train.optimizer", "train.optimizer.lr", "train.schedule", "train.early_stopping", "train.best",
    "train.checkpoint_every", "train.checkpoint_every.steps", "train.threads",
]  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=4))
def test_any_value_of_any_option_is_refused_or_taken(changes: dict[str, Any]) -> None:
    values = {"name": "fuzz", "data": "blobs", "model": "mlp"}
    for key, value in changes.items():
        document = Document("fuzz.yaml", dict(values))
        document.set(key, value, "fuzz.yaml:1")
        text = yaml.safe_dump(document.values, allow_unicode=True)
        refused(text)


def test_hostile_files_are_refused_quickly() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    started = time.perf_counter()
    for text in (bomb, "[" * 100_000, "{a: " * 40_000, "- " * 90_000, "? " * 90_000, "'" * 99_999, "&a " * 60_000):
        assert refused(text)
    assert time.perf_counter() - started < 20
