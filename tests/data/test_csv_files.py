"""CSV files: cells, separators, and every fault with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clfkit.data.bundle import Column
from clfkit.data.csv_columns import code_columns, infer_columns
from clfkit.data.csv_files import CsvTable, read_csv
from clfkit.errors import DataError


def table(tmp_path: Path, text: str | bytes, separator: str | None = None) -> CsvTable:
    file = tmp_path / "a.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_csv(file, separator)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_guessed_from_the_header(separator: str, tmp_path: Path) -> None:
    read = table(tmp_path, f"a{separator}b\n1{separator}2\n")
    assert (read.header, read.rows) == (("a", "b"), [["1", "2"]])


def test_byte_order_mark_quotes_blank_lines_and_spaces(tmp_path: Path) -> None:
    read = table(tmp_path, '\ufeffa, b\r\n\r\n"x,\ny", z \r\n', ",")
    assert read.header == ("a", "b")
    assert read.rows == [["x,\ny", "z"]]
    assert read.where(0).endswith("a.csv:4")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty file"),
        ("\n\n", "empty file"),
        ("a,b\n", "no rows below the header"),
        ("a,b\n1,2\n3\n", r"a\.csv:3: 1 cells under 2 columns"),
        ("a,b,a\n1,2,3\n", r"a\.csv:1: columns of the same name: 'a'"),
        ('a,b\n1,"2"x\n', r"a\.csv:2: "),
        ('a,b\n1,"2\n', r"a\.csv:2: "),
        (b"a,b\n1,\xff\n", "not UTF-8"),
        ("a,b\n1," + "x" * 200_000 + "\n", r"a\.csv:2: field larger"),
    ],
)
def test_faults_name_the_line(text: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        table(tmp_path, text, ",")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.csv: no such file"):
        read_csv(tmp_path / "a.csv")


def test_an_unknown_column_is_answered_with_the_nearest(tmp_path: Path) -> None:
    read = table(tmp_path, "colour,labell\nred,x\n")
    with pytest.raises(DataError, match="no label column 'label'; did you mean 'labell'"):
        read.position("label", "label")
    with pytest.raises(DataError, match="no split column 'part'; choose from colour, labell"):
        read.position("part", "split")


def test_kinds_are_inferred(tmp_path: Path) -> None:
    read = table(tmp_path, "n,gap,word,code,none\n1,NA,red,7,\n-2e3,?,,7,NaN\n.5,3,blue,8,null\n")
    raw, columns = infer_columns(read, ["n", "gap", "word", "code", "none"], ["code"])
    assert [column.kind for column in columns] == ["numeric", "numeric", "categorical", "categorical", "numeric"]
    assert columns[2].categories == ("blue", "red")
    assert columns[3].categories == ("7", "8")
    nan = float("nan")
    expected = [[1, nan, 1, 0, nan], [-2000, nan, nan, 0, nan], [0.5, 3, 0, 1, nan]]
    np.testing.assert_array_equal(raw, expected)


def test_infinity_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.csv:3: 'inf' in column 'a' is not finite"):
        infer_columns(table(tmp_path, "a\n1\ninf\n"), ["a"], [])


def test_a_column_of_free_text_is_refused_unless_named(tmp_path: Path) -> None:
    read = table(tmp_path, "id\n" + "\n".join(f"u{row}" for row in range(300)) + "\n")
    with pytest.raises(DataError, match=r"column 'id' has 300 different texts .*'u0', on line 2.*data\.drop"):
        infer_columns(read, ["id"], [])
    _, (column,) = infer_columns(read, ["id"], ["id"])
    assert len(column.categories) == 300


def test_known_columns_are_matched_by_name(tmp_path: Path) -> None:
    columns = (Column(name="n", kind="numeric"), Column(name="w", kind="categorical", categories=("b", "r")))
    raw = code_columns(table(tmp_path, "other,w,n\n0,r,1\n0,new,\n"), columns)
    np.testing.assert_array_equal(raw, [[1, 1], [float("nan")] * 2])
    with pytest.raises(DataError, match="missing columns: 'n'; there are 'w'"):
        code_columns(table(tmp_path, "w\nr\n"), columns)
    with pytest.raises(DataError, match=r"a\.csv:2: '1_000' in column 'n' is not a number"):
        code_columns(table(tmp_path, "w,n\nr,1_000\n"), columns)


def test_quoted_names_do_not_mislead_about_the_separator(tmp_path: Path) -> None:
    assert table(tmp_path, '\n"a,b,c";d\n1;2\n').header == ("a,b,c", "d")


def test_numbers_beyond_float32_are_refused_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.csv:3: '1e39' in column 'a' is too large"):
        infer_columns(table(tmp_path, "a\n1\n1e39\n"), ["a"], [])
