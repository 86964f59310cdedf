"""Class names and part names become labels, a class map and the given parts."""

from __future__ import annotations

import numpy as np
import pytest

from clfkit.data.labelling import Coded, label_samples, ordered, part_codes, part_named
from clfkit.errors import ClassMismatch, DataError


def test_without_parts_the_classes_are_all_names() -> None:
    classes, labels, given = label_samples(Coded.of(["b", "a", "b"]), None, "it")
    assert classes.names == ("a", "b")
    assert labels.tolist() == [1, 0, 1]
    assert not given


def test_the_train_part_decides_the_classes() -> None:
    parts = part_codes(["test", "train", "train"])
    classes, labels, given = label_samples(Coded.of(["b", "b", "a"]), parts, "it")
    assert classes.names == ("a", "b")
    assert {part: indices.tolist() for part, indices in given.items()} == {"test": [0], "train": [1, 2]}
    assert labels.tolist() == [1, 1, 0]


def test_a_name_that_no_sample_bears_is_no_class() -> None:
    coded = Coded(np.array([2, 0, 2]), ("b", "nobody", "a"))
    classes, labels, _ = label_samples(coded, None, "it")
    assert classes.names == ("a", "b")
    assert labels.tolist() == [0, 1, 0]


def test_strange_classes_of_other_parts_are_listed() -> None:
    with pytest.raises(ClassMismatch, match=r"it: .*valid has 'c'; test has 'd'"):
        label_samples(Coded.of(["a", "c", "d"]), part_codes(["train", "valid", "test"]), "it")


def test_parts_without_train_are_refused() -> None:
    with pytest.raises(DataError, match="no sample in the train part"):
        label_samples(Coded.of(["a"]), part_codes(["test"]), "it")


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
