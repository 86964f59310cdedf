"""Class names and part names become labels, a class map and the given parts."""

from __future__ import annotations

import pytest

from clfkit.data.bundle import Part
from clfkit.data.labelling import label_samples, ordered, part_named
from clfkit.errors import ClassMismatch, DataError


def test_without_parts_the_classes_are_all_names() -> None:
    classes, labels, given = label_samples(["b", "a", "b"], None, "it")
    assert classes.names == ("a", "b")
    assert labels.tolist() == [1, 0, 1]
    assert not given


def test_the_train_part_decides_the_classes() -> None:
    parts: list[Part] = ["test", "train", "train"]
    classes, labels, given = label_samples(["b", "b", "a"], parts, "it")
    assert classes.names == ("a", "b")
    assert {part: indices.tolist() for part, indices in given.items()} == {"test": [0], "train": [1, 2]}
    assert labels.tolist() == [1, 1, 0]


def test_strange_classes_of_other_parts_are_listed() -> None:
    with pytest.raises(ClassMismatch, match=r"it: .*valid has 'c'; test has 'd'"):
        label_samples(["a", "c", "d"], ["train", "valid", "test"], "it")


def test_parts_without_train_are_refused() -> None:
    with pytest.raises(DataError, match="no sample in the train part"):
        label_samples(["a"], ["test"], "it")


def test_part_names() -> None:
    assert [part_named(name, "") for name in ("Train", "val", "validation", "test")] == [
        "train",
        "valid",
        "valid",
        "test",
    ]
    with pytest.raises(DataError, match=r"a.csv:3: .* not 'dev'"):
        part_named("dev", "a.csv:3")


@pytest.mark.parametrize(
    ("names", "expected"),
    [({"10", "9", "1"}, ("1", "9", "10")), ({"b", "A", "9"}, ("9", "A", "b")), ({"٣", "2"}, ("2", "٣"))],
)
def test_order(names: set[str], expected: tuple[str, ...]) -> None:
    assert ordered(names) == expected
