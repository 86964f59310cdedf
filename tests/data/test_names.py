"""Names in one run of bytes are the list they were made of, whatever is picked from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clfkit.data.names import NameCollector, Names

texts = st.lists(st.text(st.characters(blacklist_categories=["Cs"])), max_size=20)


@given(texts)
def test_names_are_those_they_were_made_of(names: list[str]) -> None:
    flat = Names.of(names)
    assert len(flat) == len(names)
    assert flat.tolist() == list(flat) == names
    assert list(flat.encoded()) == [name.encode() for name in names]
    assert [flat[position] for position in range(len(names))] == names


@given(texts, st.data())
def test_what_is_picked_is_what_numpy_picks(names: list[str], data: st.DataObject) -> None:
    at = data.draw(st.lists(st.integers(0, len(names) - 1)) if names else st.just([]))
    flat, expected = Names.of(names), np.array(names, dtype=object)
    indices = np.array(at, np.int64)
    assert flat[indices].tolist() == expected[indices].tolist()
    assert flat[indices][1:3].tolist() == expected[indices][1:3].tolist()


def test_as_an_array_they_are_text() -> None:
    assert np.asarray(Names.of(["a", "über"])).tolist() == ["a", "über"]
    assert np.asarray(Names.of([])).dtype.kind == "U"


def test_picked_names_share_the_text() -> None:
    flat = Names.of(["a", "b"])
    assert flat[np.array([1])].text is flat.text


def test_collected_names_follow_each_other() -> None:
    collector = NameCollector()
    collector.extend([b"a/", "ü".encode()])
    collector.extend([b""])
    assert collector.names().tolist() == ["a/", "ü", ""]


def test_what_is_not_utf8_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        Names.of(["\udcff"])


@given(texts, st.integers(1, 4))
def test_lines_are_the_names_joined(names: list[str], at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clfkit.data.names.NAMES_AT_ONCE", at_once)
        assert Names.of(names).lines(b"\0") == "\0".join(names).encode()
        assert Names.of(names).lines() == "\n".join(names).encode()
