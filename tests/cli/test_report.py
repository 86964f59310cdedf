"""clfkit report on the command line."""

from __future__ import annotations

from pathlib import Path


def test_a_report_is_written_where_one_says(cli, rivals: Path, tmp_path: Path) -> None:
    done = cli("report", rivals / "one", "--out", tmp_path / "page.html")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{tmp_path / 'page.html'}  ")
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")


def test_a_run_id_is_enough(cli, rivals: Path, tmp_path: Path) -> None:
    done = cli("report", "two", "--runs", rivals.parent, "--out", tmp_path / "page.html")
    assert (done.code, done.err) == (0, "")
    missing = cli("report", "three", "--runs", rivals.parent)
    told = "three is not a run directory (no config.yaml); `clfkit runs` lists those that are"
    assert (missing.code, missing.err) == (1, f"clfkit: {told}\n")
    compared = cli("compare", "one", "two", "--runs", rivals.parent)
    assert (compared.code, compared.err) == (0, "")


def test_a_name_that_is_no_pages_is_refused(cli, rivals: Path, tmp_path: Path) -> None:
    done = cli("report", rivals / "one", "--out", tmp_path / "page.png")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"clfkit: --out {tmp_path / 'page.png'}: the page is HTML, so its name must end in .html\n"
    assert not (tmp_path / "page.png").exists()
