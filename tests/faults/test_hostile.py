"""Files that would run something, fill the memory or leave their folder: refused in one line, and nothing happens."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import re
import resource
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.fault("F")
matrix = pytest.mark.matrix

ROOM = 6 * 1024**3
"""Bytes of addresses that a process may have: torch alone maps more than half of it."""
MORE = 4 * 1024**3
"""Bytes of addresses that a test may have beside those that its process has already."""
SECONDS = 60
"""How long a test may take, on a machine that does other things too."""


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@pytest.fixture(autouse=True)
def bounds() -> Iterator[None]:
    """While it lasts, memory is limited, and in the end time is looked at."""
    usual, begun = resource.getrlimit(resource.RLIMIT_AS), time.monotonic()
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MORE, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, usual)
    assert time.monotonic() - begun < SECONDS


@pytest.fixture
def marker(tmp_path: Path) -> Any:
    """A file that must not be there in the end."""
    path = tmp_path / "PAYLOAD"
    yield path
    assert not list(tmp_path.rglob("PAYLOAD*")), "something of a hostile file has run"


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Path]:
    """A small experiment with lines of its own."""

    def write(*lines: str) -> Path:
        own = {line.split(":")[0] for line in lines}
        plain = {
            "name": "small", "engine": "scratch", "data": "{name: blobs, samples: 60, classes: 2}",
            "model": "logistic", "train": "{epochs: 1, threads: 1}", "plots": "[]", "report": "false",
        }  # fmt: skip
        rest = [f"{key}: {value}" for key, value in plain.items() if key not in own]
        (tmp_path / "small.yaml").write_text("\n".join([*lines, *rest]) + "\n")
        return tmp_path / "small.yaml"

    return write


def refused(done: Any, code: tuple[int, ...] = (1, 2)) -> str:
    """The line that a command says as it refuses something; escape sequences stand in none."""
    assert done.code in code and done.out == "", done
    lines = [line for line in done.err.splitlines() if line]
    assert len(lines) == 1 and len(lines[0]) < 1000, done.err
    assert "Traceback" not in done.err and "\x1b" not in done.err
    return lines[0]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run whose checkpoint the tests copy."""
    from clfkit import train

    folder = tmp_path_factory.mktemp("hostile")
    text = "name: small\nengine: scratch\ndata: {name: blobs, samples: 60, classes: 2}\nmodel: logistic\n"
    (folder / "small.yaml").write_text(text + "train: {epochs: 1, threads: 1}\nplots: []\nreport: false\n")
    return train(folder / "small.yaml", out=folder, run_id="a").path


def forged(finished: Path, folder: Path, **contents: bytes) -> Path:
    """A checkpoint with other files, whose sums are right."""
    import shutil

    shutil.copytree(finished / "checkpoints/best", folder)
    sums = json.loads((folder / "manifest.json").read_bytes())
    for stem, content in contents.items():
        name = next(name for name in (*sums, f"{stem}.safetensors") if name.startswith(stem))
        (folder / name).write_bytes(content)
        sums[name] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(sums))
    return folder


# Pickles


@pytest.mark.parametrize("name", ["best.pt", "best.pkl", "model.safetensors", "best"])
def test_a_pickle_is_no_checkpoint(cli: Any, tmp_path: Path, marker: Path, name: str) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Payload(marker)))
    refused(cli("eval", "--checkpoint", tmp_path / name))


@pytest.mark.parametrize("stem", ["model", "checkpoint", "history", "optimizer"])
def test_a_pickle_inside_a_checkpoint_is_refused(
    cli: Any, tmp_path: Path, marker: Path, finished: Path, stem: str
) -> None:
    folder = forged(finished, tmp_path / "best", **{stem: pickle.dumps(Payload(marker))})
    assert str(folder) in refused(cli("eval", "--checkpoint", folder))


@pytest.mark.parametrize("name", ["d.npz", "d.csv", "d.npy", "d.pkl", "d.pt"])
def test_a_pickle_is_no_data(cli: Any, config: Any, tmp_path: Path, marker: Path, name: str) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Payload(marker)))
    path = config(f"data: {{name: table, root: {tmp_path / name}}}")
    assert name in refused(cli("train", path, "--out", tmp_path / "out"))


@pytest.mark.parametrize("name", ["x", "y"])
def test_arrays_of_objects_are_no_data(cli: Any, config: Any, tmp_path: Path, marker: Path, name: str) -> None:
    arrays: dict[str, Any] = {"x": np.ones((4, 2)), "y": np.arange(4) % 2}
    arrays[name] = np.array([[Payload(marker)] * 2] * 4 if name == "x" else [Payload(marker)] * 4, object)
    np.savez(tmp_path / "d.npz", **arrays)
    path = config(f"data: {{name: table, root: {tmp_path}/d.npz}}")
    assert "Python objects" in refused(cli("train", path, "--out", tmp_path / "out"))


@matrix
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_no_weights(cli: Any, config: Any, tmp_path: Path, marker: Path, zipped: bool) -> None:
    import torch

    torch.save({"conv1.weight": Payload(marker)}, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    backbone = f"{{name: squeezenet1_1, weights: {tmp_path}/w.pt}}"
    path = config("engine: torch", f"model: {{name: custom_head, backbone: {backbone}}}", "data: digits")
    assert "w.pt" in refused(cli("train", path, "--out", tmp_path / "out"))


# YAML, names and paths


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.mkdir [{0}]", "!!python/name:os.mkdir", "!!python/module:this", "!mine {{a: 1}}"]
)
def test_tags_of_python_are_refused(cli: Any, config: Any, tmp_path: Path, marker: Path, tag: str) -> None:
    line = refused(cli("train", config(f"model: {tag.format(marker)}"), "--out", tmp_path / "out"), (2,))
    assert "is not allowed: plain values only" in line


def test_an_alias_bomb_is_refused(cli: Any, config: Any) -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    done = cli("validate", config("a0: &a0 [x, x, x, x, x, x, x, x, x]", *levels))
    assert "values, aliases written out" in refused(done, (2,))


PATHS = ["../../etc/passwd", "/etc/passwd", "a/b", "./evil.py", "file:///evil.py", "..", "x\x1b[2J"]
KEYS = ["data", "engine", "train.optimizer", "train.loss", "track"]
NAMES = [*PATHS, "os.system", "evil", "evil.net", "evil.py", "clfkit.cli.app"]


@pytest.mark.parametrize("key", ["model", *(pytest.param(key, marks=matrix) for key in KEYS)])
def test_no_name_is_an_import_or_a_path(
    cli: Any, config: Any, tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Not even of a module that lies where Python would find it."""
    (tmp_path / "evil.py").write_text(f"import os\nos.mkdir({str(marker)!r})\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    path = config()
    for name in NAMES:
        value = json.dumps([name] if key == "track" else name)
        assert key in refused(cli("validate", path, "--set", f"{key}={value}"), (2,))


@pytest.mark.parametrize("name", PATHS)
def test_no_run_lies_outside_its_folder(cli: Any, config: Any, tmp_path: Path, name: str) -> None:
    path, out = config(), tmp_path / "out"
    refused(cli("train", config(f"name: {json.dumps(name)}"), "--out", out), (2,))
    refused(cli("train", path, "--out", out, "--run-id", name), (2,))
    assert not out.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../../outside"}, {"name": "/outside"}, {"model": {"name": "os.system"}},
        {"model": {"name": "/tmp/net.py"}}, {"data": {"name": "../source"}}, {"plugin": "x.py"},
    ],
)  # fmt: skip
def test_a_checkpoint_names_no_import_and_no_path(
    cli: Any, tmp_path: Path, finished: Path, change: dict[str, Any]
) -> None:
    head = json.loads((finished / "checkpoints/best/checkpoint.json").read_bytes())
    head["config"] |= change
    folder = forged(finished, tmp_path / "best", checkpoint=json.dumps(head).encode())
    assert next(iter(change)) in refused(cli("eval", "--checkpoint", folder))


# Sizes


def test_an_npz_that_expands_a_thousandfold_is_refused(cli: Any, config: Any, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "d.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        np.lib.format.write_array_header_1_0(
            header := io.BytesIO(), {"descr": "|u1", "fortran_order": False, "shape": (300, 2**20)}
        )
        with archive.open("x.npy", "w") as part:
            part.write(header.getvalue())
            for _ in range(300):
                part.write(bytes(2**20))
        archive.writestr("y.npy", b"")
    path = config(f"data: {{name: table, root: {tmp_path}/d.npz}}")
    assert "times as large as their file" in refused(cli("train", path, "--out", tmp_path / "out"))


def _safetensors(header: dict[str, Any], size: int | None = None) -> bytes:
    text = json.dumps(header).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + bytes(64)


HUGE = {"1.weight": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}}


@pytest.mark.parametrize(
    "content", [_safetensors(HUGE), _safetensors({}, 10**9), _safetensors({}, 2**63), b"", b"\xff" * 7]
)
def test_a_safetensors_file_that_claims_too_much_is_refused(
    cli: Any, tmp_path: Path, finished: Path, content: bytes
) -> None:
    folder = forged(finished, tmp_path / "best", model=content)
    assert "model.safetensors is damaged" in refused(cli("eval", "--checkpoint", folder))


@matrix
def test_weights_that_expand_are_refused(cli: Any, config: Any, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", bytes(50 * 2**20))
    backbone = f"{{name: squeezenet1_1, weights: {tmp_path}/w.pt}}"
    path = config("engine: torch", f"model: {{name: custom_head, backbone: {backbone}}}", "data: digits")
    assert "its parts are compressed" in refused(cli("train", path, "--out", tmp_path / "out"))


@matrix
def test_all_of_it_in_a_process_with_little_room(config: Any, tmp_path: Path, finished: Path) -> None:
    """The real command with a limit on its memory and its time."""
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    bomb = config("a0: &a0 [x, x, x, x, x, x, x, x, x]", *levels)
    claims = forged(finished, tmp_path / "best", model=_safetensors(HUGE))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))

    for arguments in (["validate", bomb], ["eval", "--checkpoint", claims]):
        command = [sys.executable, "-m", "clfkit", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, preexec_fn=limit)
        assert done.returncode in (1, 2) and len(done.stderr.splitlines()) == 1, done.stderr


# Archives


def _shard(path: Path) -> None:
    """Twelve images with their classes, each once under a sound name and once under one that leads out; and links."""
    from PIL import Image

    Image.new("L", (8, 8)).save(picture := io.BytesIO(), "PNG")
    path.parent.mkdir()
    with tarfile.open(path, "w") as tar:
        for number in range(24):
            for suffix, content in ((".png", picture.getvalue()), (".cls", b"%d" % (number // 2 % 2))):
                member = tarfile.TarInfo(f"{'../../PAYLOAD' if number % 2 else ''}{number}{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        for kind, target in ((tarfile.SYMTYPE, "/etc"), (tarfile.LNKTYPE, "../../etc/passwd")):
            link = tarfile.TarInfo("/PAYLOAD.png")
            link.type, link.linkname = kind, target
            tar.addfile(link)


@matrix
def test_a_tar_leaves_nothing_outside_and_follows_no_link(cli: Any, config: Any, tmp_path: Path, marker: Path) -> None:
    """Members are read where they lie, so that their names are names alone; what leads out, and links, are left out."""
    _shard(tmp_path / "shards/0.tar")
    data = f"data: {{name: webdataset, root: {tmp_path}/shards, size: 8, channels: 1}}"
    done = cli("train", config(data, "engine: torch"), "--out", tmp_path / "out", "--run-id", "a")
    assert done.code == 0, done.err
    counts = re.search(r": (\d+) train, (\d+) valid, (\d+) test samples of 2 classes", done.err + done.out)
    assert counts and sum(map(int, counts.groups())) == 12
    assert not list(tmp_path.parent.glob("PAYLOAD*"))


# Names that are shown


EVIL = ["<script>alert(1)</script>", "</title><img src=x onerror=alert(2)>", "\x1b[2J\x1b]0;owned\x07", "{{ 7 * 7 }}"]


@matrix
def test_class_names_are_escaped_wherever_they_are_shown(cli: Any, config: Any, tmp_path: Path) -> None:
    rows = [f'{n % 7},{n % 5},"{EVIL[n % 4]}"' for n in range(120)]
    (tmp_path / "t.csv").write_text("\n".join(["one,two,label", *rows]) + "\n")
    path = config(f"data: {{name: table, root: {tmp_path}/t.csv}}", "report: true")
    told = [cli("train", path, "--out", tmp_path / "out", "--run-id", run_id) for run_id in "ab"]
    runs = [tmp_path / "out/small" / run_id for run_id in "ab"]
    told += [cli("eval", "--checkpoint", runs[0]), cli("compare", *runs, "--out", tmp_path / "c.html"), cli("runs")]
    assert [done.code for done in told] == [0] * 5, told
    for done in told:
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", done.out + done.err)
    for page in (runs[0] / "report.html", tmp_path / "c.html"):
        text = page.read_text()
        assert "<script>alert" not in text and "<img src=x" not in text and "\x1b" not in text
    assert "&lt;script&gt;alert(1)" in (runs[0] / "report.html").read_text()
