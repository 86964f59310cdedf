import os
import sys
from pathlib import Path

import numpy as np
import pytest

from clfkit.data import _stating
from clfkit.data.file_states import FileStates, look_at
from clfkit.data.names import Names
from clfkit.reporting import heard_by

SEVERAL = 3
"""Files that tests look at in one piece, in the place of many thousand."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for at in range(8):
        (tmp_path / f"{at}.png").write_bytes(b"x" * at)
    (tmp_path / "é 9.png").write_bytes(b"yy")
    os.utime(tmp_path / "2.png", ns=(5, 1_234_567_890_123_456_789))
    return tmp_path


def named(folder: Path) -> Names:
    return Names.of(sorted(path.name for path in folder.iterdir()))


def expected(folder: Path, names: Names) -> list[list[int]]:
    found = [(folder / name).stat() for name in names]
    return [[state.st_size, state.st_mtime_ns, state.st_ctime_ns] for state in found]


@pytest.fixture(params=["one process", "several", "none that can be started", "broken ones"])
def processes(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> str:
    if request.param != "one process":
        monkeypatch.setattr("clfkit.data.file_states.FILES_AT_ONCE", SEVERAL)
        monkeypatch.setattr("clfkit.data.file_states.THREADS", 2)
    if request.param == "none that can be started":
        monkeypatch.setattr(sys, "executable", str(tmp_path_factory.mktemp("no") / "python"))
    if request.param == "broken ones":
        script = tmp_path_factory.mktemp("broken") / "stating.py"
        script.write_text("print('cut off')")
        monkeypatch.setattr(_stating, "__file__", str(script))
    return str(request.param)


def test_size_and_times_of_each_file(folder: Path, processes: str) -> None:
    names = named(folder)
    stats, lost = look_at(folder, names)
    assert stats.tolist() == expected(folder, names)
    assert not lost


def test_what_is_no_file_is_told_by_its_row(folder: Path, processes: str) -> None:
    names = named(folder)
    (folder / "0.png").unlink()
    (folder / "4.png").unlink()
    (folder / "4.png").mkdir()
    (folder / "7.png").unlink()
    (folder / "7.png").symlink_to(folder / "nothing")
    stats, lost = look_at(folder, names)
    assert {row: (bad.path, bad.fault, bad.reason) for row, bad in lost.items()} == {
        0: (folder / "0.png", "missing", "no such file"),
        4: (folder / "4.png", "no regular file", "a folder, not a file"),
        7: (folder / "7.png", "missing", "a link to nothing"),
    }
    assert not stats[[0, 4, 7]].any()
    others = [1, 2, 3, 5, 6, 8]
    assert stats[others].tolist() == expected(folder, names[np.array(others)])


def test_several_processes_are_asked_where_there_are_many_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def note(folder: bytes, names: Names) -> bytes:
        asked.append(len(names))
        return _stating.numbers(folder, names.encoded()).tobytes()

    monkeypatch.setattr("clfkit.data.file_states.THREADS", 2)
    monkeypatch.setattr("clfkit.data.file_states._of_process", note)
    look_at(folder, named(folder))
    assert not asked
    monkeypatch.setattr("clfkit.data.file_states.FILES_AT_ONCE", SEVERAL)
    look_at(folder, named(folder))
    assert asked == [3, 3, 3]


def test_names_relative_to_the_working_folder(folder: Path, processes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = named(folder)
    monkeypatch.chdir(folder)
    assert look_at(Path(), names).stats.tolist() == expected(folder, names)


def test_names_that_are_not_utf8(tmp_path: Path, processes: str) -> None:
    odd = [b"\xff%d.png" % at for at in range(7)]
    for name in odd:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"abc")
    names = Names.joined(b"".join(odd), np.cumsum([len(name) for name in odd]))
    assert look_at(tmp_path, names).stats[:, 0].tolist() == [3] * 7


def test_progress_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[str, int, int]] = []

    class Listener:
        def say(self, message: str) -> None: ...

        def on_work(self, what: str, done: int, total: int) -> None:
            heard.append((what, done, total))

        def on_work_end(self) -> None: ...

    monkeypatch.setattr("clfkit.data.file_states.FILES_AT_ONCE", 5)
    with heard_by(Listener()):
        look_at(folder, named(folder))
    assert heard == [("looking at files", done, 9) for done in (0, 5, 9)]


def test_none_at_all(tmp_path: Path) -> None:
    found = look_at(tmp_path, Names.of([]))
    assert found == FileStates(found.stats, {})
    assert found.stats.shape == (0, 3)
