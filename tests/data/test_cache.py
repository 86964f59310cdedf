"""Images are decoded once: the same pixels from memory, cache and stream, whatever happened in between."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from clfkit.components import datasets
from clfkit.config import load_config
from clfkit.data.bundle import DataBundle, Dataset
from clfkit.data.cache import CachedImages
from clfkit.data.decoding import decode_in_steps
from clfkit.data.files import read_labelled, read_samples
from clfkit.data.images import ImageFiles
from clfkit.data.loading import Selection, load_bundle
from clfkit.errors import DataError
from clfkit.experiment import run_experiment
from clfkit.progress import Quiet
from clfkit.reporting import heard_by
from clfkit.run import RunDirectory

COUNT, SIDE = 24, 160  # 1.8 MB decoded: more than data.memory, 1 MB


class News(Quiet):
    """Collects what is said."""

    def __init__(self, then: Callable[[], object] = lambda: None) -> None:
        self.lines: list[str] = []
        self.work: list[tuple[str, int, int]] = []
        self.then = then

    def say(self, message: str) -> None:
        self.lines.append(message)
        self.then()

    def on_work(self, what: str, done: int, total: int) -> None:
        self.work.append((what, done, total))


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clfkit.data.pixel_files.CHUNK_IMAGES", 5)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of small JPEG files that differ."""
    root, rng = tmp_path / "photos", np.random.default_rng(0)
    for number in range(COUNT):
        file = root / ("cat" if number % 2 else "dog") / f"{number:02}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 11, 3), np.uint8)).save(file)
    return root


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are decoded from now on."""
    names: list[str] = []

    def decode(path: Path, *rest: object) -> object:
        names.append(path.name)
        return decode_in_steps(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("clfkit.data.images.decode_in_steps", decode)
    return names


def read(root: Path, **options: object) -> Dataset:
    data = datasets.parse({"name": "image_folder", "root": str(root), "size": SIDE, "memory": 1, **options})
    return datasets.build(data, 0)  # type: ignore[no-any-return]


def pixels(dataset: Dataset) -> np.ndarray:
    return np.asarray(dataset.inputs[np.arange(len(dataset.labels))])


def bundle(root: Path, **options: object) -> DataBundle:
    return load_bundle(datasets.parse({"name": "image_folder", "root": str(root), "size": SIDE, **options}), seed=0)


def heard(action: Callable[[], object]) -> list[str]:
    news = News()
    with heard_by(news):
        action()
    return news.lines


def cache_file(kind: str, where: Path | None = None) -> Path:
    (file,) = (where or Path(os.environ["XDG_CACHE_HOME"]) / "clfkit").glob(f"*/*.{kind}")
    return file


def test_memory_cache_and_stream_give_the_same_batches(photos: Path) -> None:
    memory, cache = bundle(photos, memory=50, cache="off"), bundle(photos, memory=1)
    stream, read_back = bundle(photos, memory=1, cache="off"), bundle(photos, memory=50)
    assert isinstance(memory.train.inputs, np.ndarray)
    assert isinstance(read_back.train.inputs, np.ndarray)
    assert isinstance(cache.train.inputs, Selection)
    assert isinstance(cache.train.inputs.inputs, CachedImages)
    assert isinstance(stream.train.inputs, Selection)
    assert isinstance(stream.train.inputs.inputs, ImageFiles)
    batch = np.array([3, 0, 7, 7])
    for other in (cache, stream, read_back):
        assert np.array_equal(other.train.inputs[batch], memory.train.inputs[batch])
        assert other.spec == memory.spec
    assert cache.fingerprint == stream.fingerprint
    assert read_back.fingerprint == memory.fingerprint


def test_no_file_is_decoded_twice(photos: Path, decoded: list[str]) -> None:
    first = pixels(read(photos))
    assert len(decoded) == COUNT
    for memory in (1, 50):
        assert np.array_equal(pixels(read(photos, memory=memory)), first)
    assert len(decoded) == COUNT


def test_only_changed_and_new_files_are_decoded_again(photos: Path, decoded: list[str]) -> None:
    read(photos)
    decoded.clear()
    (photos / "cat" / "01.jpg").unlink()
    shutil.copy(photos / "cat" / "03.jpg", photos / "cat" / "zz.jpg")
    Image.new("RGB", (9, 9), "red").save(photos / "dog" / "10.jpg")
    again = pixels(read(photos))
    assert sorted(decoded) == ["10.jpg", "zz.jpg"]
    assert np.array_equal(again, pixels(read(photos, cache="off", memory=50)))
    assert cache_file("pixels").stat().st_size == COUNT * 3 * SIDE**2, "the old one is gone"


def test_what_is_kept_under_another_name_is_not_decoded_again(photos: Path, decoded: list[str]) -> None:
    first = pixels(read(photos))
    for kind in ("ids", "pixels", "journal"):
        file = cache_file(kind)
        file.rename(file.with_name(f"{'0' * 32}.{kind}"))
    assert np.array_equal(pixels(read(photos)), first)
    assert len(decoded) == COUNT
    assert cache_file("ids").stem != "0" * 32


def test_another_format_has_a_cache_of_its_own(photos: Path, tmp_path: Path) -> None:
    read(photos, cache=str(tmp_path / "kept"))
    read(photos, cache=str(tmp_path / "kept"), resize="stretch")
    assert len(list((tmp_path / "kept").glob("*/*.pixels"))) == 2


@pytest.mark.parametrize("way", ["link", "above", "relative"])
@pytest.mark.parametrize("packed", [False, True])
def test_another_way_to_the_same_folder_finds_the_same_cache(
    packed: bool, way: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, object] = {}
    if packed:
        with tarfile.open(photos / "a.tar", "w") as tar:
            for kind in ("cat", "dog"):
                tar.add(photos / kind, kind)
        options["name"] = "webdataset"
    first = pixels(read(photos, **options))
    (tmp_path / "link").symlink_to(photos)
    monkeypatch.chdir(photos / "cat")
    root = {"link": tmp_path / "link", "above": photos / "cat" / "..", "relative": Path("..")}[way]
    for module in ("images", "shard_images"):
        monkeypatch.setattr(f"clfkit.data.{module}.decode_in_steps", None)
    for _ in range(2):
        assert np.array_equal(pixels(read(root, **options)), first)


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="names of files are text there")
def test_a_folder_may_lie_below_a_name_that_is_not_utf8(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    odd.mkdir()
    photos.rename(odd / "photos")
    monkeypatch.chdir(odd)
    assert isinstance(read(Path("photos")).inputs, CachedImages)


KILLED = """
import os, signal, sys
from clfkit.config import load_config
from clfkit.experiment import run_experiment
from clfkit.run import RunDirectory
from clfkit.components import datasets
import clfkit.data.pixel_files as files
files.CHUNK_IMAGES = 5
flushes = []
def fsync(descriptor):
    flushes.append(descriptor)
    if len(flushes) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
os.fsync = fsync
datasets.build(datasets.parse({"name": "image_folder", "root": sys.argv[1], "size": 160, "memory": 1}), 0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("flush", [8, 9])
def test_a_killed_run_is_continued(flush: int, photos: Path, decoded: list[str]) -> None:
    expected = pixels(read(photos, cache="off"))
    decoded.clear()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(photos), str(flush)], check=False, timeout=60)
    assert killed.returncode == -9
    assert 0 < cache_file("journal").read_bytes().count(b" ") < COUNT // 5
    assert np.array_equal(pixels(read(photos)), expected)
    assert 0 < len(decoded) < COUNT


@pytest.mark.parametrize("memory", [1, 50])
def test_what_the_disk_spoiled_is_decoded_again(memory: int, photos: Path, decoded: list[str]) -> None:
    expected = pixels(read(photos))
    decoded.clear()
    with cache_file("pixels").open("r+b") as file:
        file.seek(7 * 3 * SIDE**2)
        file.write(b"torn" * 1000)
    if memory == 1:  # a complete cache is believed where it is mapped, one that was interrupted is not
        record = cache_file("journal").read_bytes()
        cache_file("journal").write_bytes(record[:-4])
    assert np.array_equal(pixels(read(photos, memory=memory)), expected)
    assert len(decoded) == (5 if memory == 50 else 5 + COUNT % 5)


@pytest.mark.parametrize("spoil", ["remove", "shorten", "overwrite"])
def test_a_repair_that_is_stopped_leaves_nothing_that_is_believed(
    spoil: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = pixels(read(photos))
    file = cache_file("pixels")
    content = file.read_bytes()
    if spoil == "remove":
        file.unlink()
    else:
        file.write_bytes(content[:-1] if spoil == "shorten" else bytes(len(content)))

    def stop(path: Path, *rest: object) -> object:
        if path.name == "14.jpg":
            raise KeyboardInterrupt
        return decode_in_steps(path, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("clfkit.data.images.decode_in_steps", stop)
        read(photos, memory=50)
    assert np.array_equal(pixels(read(photos)), expected)


def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_kept(photos: Path, decoded: list[str]) -> None:
    broken = photos / "dog" / "22.jpg"
    good = broken.read_bytes()
    broken.write_bytes(good[:50])
    with pytest.raises(DataError, match=r"22\.jpg: "):
        read(photos)
    decoded.clear()
    broken.write_bytes(good)
    again = pixels(read(photos))
    assert len(decoded) < COUNT
    assert np.array_equal(again, pixels(read(photos, cache="off")))


def test_beyond_the_limit_images_are_streamed(photos: Path) -> None:
    said = heard(lambda: read(photos, cache_limit=0.001))
    assert said == ["note: decoded images take 2 MB, more than data.cache_limit (0.001 GB): not cached"]
    assert isinstance(read(photos, cache_limit=0.001).inputs, ImageFiles)


SMALL_SIDES = (156, 157, 158)  # of three formats, 1.8 MB each: two of them are within LIMIT
LIMIT = 0.004


def names_kept() -> set[str]:
    """The folders that hold decoded images of `photos`."""
    return {file.parent.name for file in (Path(os.environ["XDG_CACHE_HOME"]) / "clfkit").glob("photos-*/*.pixels")}


def test_the_one_not_used_for_longest_gives_way(photos: Path, decoded: list[str]) -> None:
    first, second, third = SMALL_SIDES
    read(photos, size=first, cache_limit=LIMIT)
    (of_first,) = names_kept()
    read(photos, size=second, cache_limit=LIMIT)
    (of_second,) = names_kept() - {of_first}
    place = Path(os.environ["XDG_CACHE_HOME"]) / "clfkit"
    os.utime(place / of_first, (10**9, 10**9))
    os.utime(place / of_second, (10**9 + 60, 10**9 + 60))
    read(photos, size=first, cache_limit=LIMIT)  # used again, so that the second one is the older
    foreign = place / "models" / "large.pixels"
    foreign.parent.mkdir()
    foreign.write_bytes(bytes(3_000_000))
    said = heard(lambda: read(photos, size=third, cache_limit=LIMIT))
    assert len(said) == 2
    assert re.fullmatch(f"removed decoded images that were not used for longest: 2 MB in .*{of_second}", said[0])
    assert of_first in names_kept()
    assert of_second not in names_kept()
    assert foreign.exists()
    decoded.clear()
    read(photos, size=first, cache_limit=LIMIT)
    read(photos, size=third, cache_limit=LIMIT)
    assert not decoded
    read(photos, size=second, cache_limit=LIMIT)
    assert len(decoded) == COUNT, "it is decoded again"
    assert len(names_kept()) == 2


def test_what_is_held_never_gives_way(photos: Path) -> None:
    first, second, third = SMALL_SIDES
    read(photos, size=first, cache_limit=LIMIT)
    held = cache_file("pixels").parent
    read(photos, size=second, cache_limit=LIMIT)
    (other,) = names_kept() - {held.name}
    os.utime(held, (10**9, 10**9))
    with FileLock(held / "lock"):
        read(photos, size=third, cache_limit=LIMIT)
        assert held.name in names_kept()
        assert other not in names_kept()
        said = heard(lambda: read(photos, size=second, cache_limit=0.002))
    assert said[-1] == "note: other runs hold what data.cache_limit (0.002 GB) allows: not cached"
    assert names_kept() == {held.name}


def test_a_full_disk_is_no_error(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(photos)._replace(free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    said = heard(lambda: read(photos))
    assert len(said) == 1
    assert said[0].endswith("has 1.0 GB free, decoded images take 2 MB: not cached")


def test_where_there_is_no_room_for_two_the_old_one_gives_way(
    photos: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    size = COUNT * 3 * SIDE**2

    def usage(path: Path) -> object:
        taken = sum(file.stat().st_size for file in path.glob("*.pixels"))
        return real(path)._replace(free=10**9 + size * 3 // 2 - taken)

    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", usage)
    for _ in range(2):
        assert isinstance(read(photos).inputs, CachedImages)
    assert len(decoded) == COUNT
    Image.new("RGB", (9, 9), "red").save(photos / "dog" / "10.jpg")
    again = read(photos)
    assert isinstance(again.inputs, CachedImages)
    assert np.array_equal(pixels(again), pixels(read(photos, cache="off", memory=50)))
    assert cache_file("pixels").stat().st_size == size


@pytest.mark.parametrize("flush", [2, 9])
def test_nothing_is_left_where_a_quota_ends_the_decoding(
    flush: int, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushes: list[int] = []

    def fsync(descriptor: int) -> None:
        flushes.append(descriptor)
        if len(flushes) == flush:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "fsync", fsync)
    said = heard(lambda: read(photos))
    assert len(said) == 1
    assert re.fullmatch("note: images are not cached in .*: .*quota.*", said[0])
    assert [file.name for file in (Path(os.environ["XDG_CACHE_HOME"]) / "clfkit").glob("*/*")] == ["lock"]


LIMITED = """
import resource, sys
from clfkit.components import datasets
from clfkit.data.images import ImageFiles
resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))
data = {"name": "image_folder", "root": sys.argv[1], "size": 160, "memory": 1}
assert isinstance(datasets.build(datasets.parse(data), 0).inputs, ImageFiles)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_a_limit_of_the_system_is_no_error_and_leaves_nothing(photos: Path) -> None:
    subprocess.run([sys.executable, "-c", LIMITED, str(photos)], check=True, timeout=60)
    assert [file.name for file in (Path(os.environ["XDG_CACHE_HOME"]) / "clfkit").glob("*/*")] == ["lock"]


def test_a_folder_that_cannot_be_written_is_no_error(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    dataset = read(photos, cache=str(tmp_path / "file"))
    said = heard(lambda: read(photos, cache=str(tmp_path / "file")))
    assert isinstance(dataset.inputs, ImageFiles)
    assert len(said) == 1
    assert said[0].startswith("note: images are not cached in ")


@pytest.mark.parametrize("reason", [errno.EACCES, errno.EROFS])
@pytest.mark.parametrize("memory", [1, 50])
def test_a_cache_that_can_only_be_read_is_read(
    memory: int, reason: int, photos: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*rest: object, **options: object) -> None:
        raise OSError(reason, os.strerror(reason))

    first = pixels(read(photos))
    decoded.clear()
    spare = cache_file("pixels").with_name("other.pixels")
    spare.touch()
    monkeypatch.setattr(FileLock, "acquire", refuse)
    assert np.array_equal(pixels(read(photos, memory=memory)), first)
    assert not decoded
    assert spare.exists(), "nothing is removed without the lock"
    (photos / "cat" / "01.jpg").unlink()
    said = heard(lambda: read(photos))
    assert len(said) == 1
    assert said[0].endswith(f": {os.strerror(reason)}")


TOGETHER = """
import sys, time, zlib
from pathlib import Path
from clfkit.components import datasets
from clfkit.data import images
from clfkit.progress import Quiet
from clfkit.reporting import heard_by
root, there = Path(sys.argv[1]), Path(sys.argv[2])
class Waiting(Quiet):
    def say(self, message):
        if message.startswith("waiting"):
            (there / "waiting").touch()
decode = images.decode_in_steps
def log(path, *rest):
    with (there / "decoded").open("a") as file:
        file.write(path.name + "\\n")
    for _ in range(100):  # until the other process has come
        if (there / "waiting").exists():
            break
        time.sleep(0.02)
    return decode(path, *rest)
images.decode_in_steps = log
with heard_by(Waiting()):
    data = {"name": "image_folder", "root": sys.argv[1], "size": 160, "memory": 1}
    inputs = datasets.build(datasets.parse(data), 0).inputs
print(type(inputs).__name__, zlib.crc32(inputs[:].tobytes()))
"""


def test_two_runs_that_start_at_once_decode_each_image_once(photos: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", TOGETHER, str(photos), str(tmp_path)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [run.communicate(timeout=120)[0].strip() for run in runs]
    expected = zlib.crc32(pixels(read(photos, cache="off")).tobytes())
    assert told == [f"CachedImages {expected}"] * 2
    assert (tmp_path / "waiting").exists()
    assert sorted((tmp_path / "decoded").read_text().split()) == [f"{number:02}.jpg" for number in range(COUNT)]


def test_the_second_run_waits_for_the_first(photos: Path, decoded: list[str]) -> None:
    read(photos)
    decoded.clear()
    there, over = threading.Event(), threading.Event()

    def hold() -> None:
        with FileLock(cache_file("pixels").parent / "lock"):
            there.set()
            over.wait(timeout=30)

    other = threading.Thread(target=hold)
    other.start()
    assert there.wait(timeout=30)
    news = News(over.set)
    with heard_by(news):
        read(photos)
    other.join()
    assert [line.split()[0] for line in news.lines] == ["waiting", "decoded"]
    assert not decoded


def test_the_size_and_the_progress_are_told(photos: Path) -> None:
    news = News()
    with heard_by(news):
        read(photos)
    assert news.lines == [f"decoded images: 2 MB in {cache_file('pixels').parent}"]
    assert list(dict.fromkeys(what for what, _, _ in news.work)) == [
        "scanning class folders",
        "looking at files",
        "decoding images",
    ]
    for done in (0, COUNT):
        assert ("looking at files", done, COUNT) in news.work
        assert ("decoding images", done, COUNT) in news.work


def test_train_valid_test_and_predict_get_the_same_pixels(photos: Path) -> None:
    parts = bundle(photos, memory=50)
    for split in (parts.train, parts.valid, parts.test):
        assert len(split)
        alone, ids = read_samples([photos / str(sample) for sample in split.ids], parts.spec)
        assert [Path(name).name for name in ids] == [Path(str(name)).name for name in split.ids]
        assert np.array_equal(alone[np.arange(len(split))], split.inputs[np.arange(len(split))])
    everything = read_labelled(photos, parts.spec)
    assert np.array_equal(everything.inputs[np.arange(COUNT)], pixels(read(photos)))


@pytest.mark.parametrize("options", [{"cache": "auto"}, {"cache": "off"}])
def test_a_run_does_not_depend_on_where_its_images_lie(options: dict[str, str], photos: Path, tmp_path: Path) -> None:
    weights = []
    for memory, workers in ((50, "auto"), (1, 0), (1, 2)):
        file = tmp_path / "small.yaml"
        data = json.dumps({"name": "image_folder", "root": str(photos), "size": SIDE, "memory": memory, **options})
        file.write_text(
            f"name: small\nengine: torch\ndata: {data}\nmodel: {{name: cnn, channels: [2], dense: [4]}}\nplots: []\n"
            f"train: {{epochs: 2, batch_size: 4, device: cpu, threads: 1, workers: {workers}}}\n"
        )
        run = RunDirectory.create(tmp_path / "outputs", load_config(file), f"{memory}-{workers}")
        run_experiment(run, run.config(), Quiet())
        weights.append((run.checkpoint("last").model, run.step_losses()))
    for model, losses in weights[1:]:
        assert np.array_equal(losses, weights[0][1])
        for name, array in model.items():
            assert np.array_equal(array, weights[0][0][name]), name
