"""Class maps, splits and the fingerprint of a bundle."""

from __future__ import annotations

import dataclasses
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from clfkit.data.bundle import ClassMap, DataBundle, DataSpec, Split, listed
from clfkit.errors import ClassMismatch, DataError

ANIMALS = ClassMap(names=("cat", "dog", "eel"))


def bundle(value: float = 1.0) -> DataBundle:
    spec = DataSpec(inputs="vector", shape=(2,), classes=ANIMALS, mean=(0.0, 0.0), std=(1.0, 1.0))
    parts = [Split(np.full((n, 2), value, np.float32), np.arange(n) % 3, np.arange(n)) for n in (6, 3, 0)]
    return DataBundle(spec, *parts)


def test_translation_goes_by_name_not_by_position() -> None:
    other = ClassMap(names=("eel", "cat", "dog"))
    assert ANIMALS.translation(other, "it").tolist() == [2, 0, 1]


def test_translation_lists_missing_and_extra_classes() -> None:
    with pytest.raises(ClassMismatch, match=r"photos.*missing: 'dog', 'eel'; extra: 'fox'"):
        ANIMALS.translation(ClassMap(names=("cat", "fox")), "photos")


def test_translation_of_a_subset_allows_missing_classes_only() -> None:
    assert ANIMALS.translation(ClassMap(names=("eel",)), "it", subset=True).tolist() == [2]
    with pytest.raises(ClassMismatch, match=r"trained on; extra: 'fox'; missing: 'cat', 'dog', 'eel'$"):
        ANIMALS.translation(ClassMap(names=("fox",)), "it", subset=True)


@given(st.lists(st.text(min_size=1), min_size=2, max_size=30, unique=True), st.randoms())
def test_classes_of_any_names_and_order_are_matched_by_name(names: list[str], random: Random) -> None:
    """Also after they were stored, and whatever part of them the other side has."""
    classes = ClassMap.model_validate_json(ClassMap(names=tuple(names)).model_dump_json())
    others = random.sample(names, random.randint(1, len(names)))
    translation = classes.translation(ClassMap(names=tuple(others)), "it", subset=True)
    assert [classes.names[at] for at in translation] == others
    assert [classes.index[name] for name in names] == list(range(len(names)))
    if len(others) < len(names):
        with pytest.raises(ClassMismatch, match="missing"):
            classes.translation(ClassMap(names=tuple(others)), "it")
        with pytest.raises(ClassMismatch, match="extra"):
            ClassMap(names=tuple(others)).translation(classes, "it", subset=True)


def test_class_names_must_differ() -> None:
    with pytest.raises(ValidationError, match="given twice: a"):
        ClassMap(names=("a", "b", "a"))


@pytest.mark.parametrize(
    ("names", "labels"), [(("0", "10", "2"), [0, 10, 2]), (("01", "2"), ["01", "2"]), (("a", "1"), ["a", "1"])]
)
def test_labels_are_integers_only_where_every_name_is_one(names: tuple[str, ...], labels: list[object]) -> None:
    assert ClassMap(names=names).labels.tolist() == labels


def test_listed_cuts_long_lists_and_escapes() -> None:
    assert listed(["a\n"]) == r"'a\n'"
    assert listed(map(str, range(10)), limit=2) == "'0', '1' and 8 more"


def test_an_empty_part_is_refused_by_name() -> None:
    assert len(bundle().part("valid")) == 3
    with pytest.raises(DataError, match=r"test split is empty; data\.split\.test"):
        bundle().part("test")


def test_fingerprint_sees_inputs_labels_and_split() -> None:
    one = bundle()
    assert one.fingerprint == bundle().fingerprint
    swapped = dataclasses.replace(one, train=one.valid, valid=one.train)
    relabelled = dataclasses.replace(one, train=dataclasses.replace(one.train, labels=np.zeros(6, np.int64)))
    assert len({b.fingerprint for b in (one, bundle(2.0), swapped, relabelled)}) == 4


def test_counts() -> None:
    assert bundle().valid.counts(4).tolist() == [1, 1, 1, 0]


def test_fingerprint_is_the_same_however_many_ids_are_text_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bundle().fingerprint
    monkeypatch.setattr("clfkit.data.bundle.IDS_AT_ONCE", 1)
    assert bundle().fingerprint == whole


def test_content_is_that_of_the_samples_alone() -> None:
    one, again, other = (bundle(value).valid.content for value in (1.0, 1.0, 2.0))
    assert one == again != other
    longer = dataclasses.replace(bundle().valid, inputs=np.ones((3, 4), np.float32)[:, :2])  # of a wider array
    assert longer.content == one
    wider = dataclasses.replace(bundle().valid, inputs=np.ones((3, 2), np.float64))
    assert wider.content != one


def test_content_is_the_same_however_many_rows_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bundle().train.content
    monkeypatch.setattr("clfkit.data.bundle.ROWS_AT_ONCE", 4)
    assert bundle().train.content == whole
