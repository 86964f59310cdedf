"""clfkit pack: what is in the folder is in the shards, byte for byte."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from clfkit.config import ExperimentConfig, load_config
from clfkit.data.bundle import DataBundle, Split
from clfkit.data.loading import load_bundle

ODD = "50% off.v2/ü 1.JPG"


def paint(file: Path, rng: np.random.Generator) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(file)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A config on a folder with the parts train, val and test, odd names and twins but for their suffix."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 6), ("val", 2), ("test", 3)):
        for name in ("10", "9", "50% off.v2"):
            for number in range(count):
                paint(tmp_path / "photos" / part / name / f"{number}.png", rng)
        paint(tmp_path / "photos" / part / "9" / "0.jpg", rng)
    paint(tmp_path / "photos" / "train" / ODD, rng)
    return write_config(tmp_path, tmp_path / "photos")


def write_config(folder: Path, root: Path, more: str = "") -> Path:
    path = folder / "photos.yaml"
    path.write_text(
        f"name: photos\ndata: {{name: image_folder, root: {root}, size: [6, 5]{more}}}\n"
        "model: {name: mlp, hidden: [4]}\ntrain: {epochs: 1}\nplots: []\n"
    )
    return path


def bundle_of(config: ExperimentConfig) -> DataBundle:
    return load_bundle(config.data, config.data_seed)


def samples(split: Split, bundle: DataBundle, *, packed: bool) -> dict[str, tuple[str, bytes]]:
    """Path of each file → class name and pixels."""
    paths = [unquote(str(sample).partition("/")[2]) if packed else str(sample) for sample in split.ids]
    names = [bundle.spec.classes.names[label] for label in split.labels]
    pixels = [image.tobytes() for image in np.asarray(split.inputs)]
    return dict(zip(paths, zip(names, pixels, strict=True), strict=True))


def test_shards_hold_the_same_parts_classes_labels_and_pixels(cli, photos: Path, tmp_path: Path) -> None:
    done = cli("pack", photos, "--out", tmp_path / "new/shards")
    assert done.code == 0, done.err
    assert "37 images of 3 classes in 3 shards" in done.err
    assert "drawn anew" not in done.err  # parts were given
    (tmp_path / "shards.yaml").write_text(done.out)
    old, new = load_config(photos), load_config(tmp_path / "shards.yaml")
    assert new.name == "photos-shards"
    assert (new.data.name, new.model, new.train, new.seed) == ("webdataset", old.model, old.train, old.seed)
    folder, shards = bundle_of(old), bundle_of(new)
    assert shards.spec.model_copy(update={"mean": (), "std": ()}) == folder.spec.model_copy(
        update={"mean": (), "std": ()}
    )
    assert np.allclose(shards.spec.mean, folder.spec.mean)
    for part in ("train", "valid", "test"):
        expected = samples(folder.part(part), folder, packed=False)
        assert samples(shards.part(part), shards, packed=True) == expected
    assert f"train/{ODD}" in samples(shards.train, shards, packed=True)
    assert cli("train", tmp_path / "shards.yaml", "--out", tmp_path / "outputs", "--quiet").code == 0


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # the library leaves shards open
def test_the_library_reads_the_original_bytes(cli, photos: Path, tmp_path: Path) -> None:
    wds = pytest.importorskip("webdataset")
    assert cli("pack", photos).code == 0
    target = tmp_path / "photos-shards"
    classes = json.loads((target / "classes.json").read_text())
    assert classes == ["10", "50% off.v2", "9"]
    found = {}
    for shard in sorted(target.glob("*.tar")):
        for sample in wds.WebDataset(str(shard), shardshuffle=False):
            path = unquote(sample["__key__"])
            found[path] = sample["jpg" if path.lower().endswith("jpg") else "png"]
            assert path.split("/")[1] == classes[int(sample["cls"])]
    files = [file for file in (tmp_path / "photos").rglob("*.*") if file.is_file()]
    expected = {file.relative_to(tmp_path / "photos").as_posix(): file.read_bytes() for file in files}
    assert found == expected


def test_equal_files_and_seed_give_equal_bytes_in_another_order_than_the_folder(
    cli, photos: Path, tmp_path: Path
) -> None:
    def packed(name: str, *more: str) -> dict[str, bytes]:
        assert cli("pack", photos, "--out", tmp_path / name, *more).code == 0
        return {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()}

    first = packed("a")
    for file in (tmp_path / "photos").rglob("*.png"):
        file.touch()
    assert packed("b") == first
    assert packed("c", "--set", "seed=7") != first
    keys = [sample.partition("/")[2] for sample in order_in(tmp_path / "a")]
    assert keys != sorted(keys)


def test_eval_and_predict_tell_how_far_decoding_is(
    cli, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "outputs" / "photos" / "one"
    trained = cli("train", photos, "--out", tmp_path / "outputs", "--run-id", "one", "--set", "data.cache=off", "-q")
    assert trained.code == 0
    monkeypatch.setattr("clfkit.progress.SECONDS_BETWEEN_REPORTS", 0.0)
    assert "decoding images: 37 of 37" in cli("eval", "--checkpoint", run).err
    assert cli("eval", "--checkpoint", run, "--json").err == ""
    done = cli("predict", tmp_path / "photos" / "test", "--checkpoint", run)
    assert "decoding images: 10 of 10" in done.err
    assert done.out.count("\n") == 11


def order_in(target: Path) -> list[str]:
    from clfkit.data.shards import index_shards

    return index_shards(target, ["train-000000.tar"]).ids.tolist()


def test_shards_keep_to_their_size(cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(8):
        file = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)).save(file)  # 0.36 MB
    config = write_config(tmp_path, tmp_path / "photos")
    done = cli("pack", config, "--shard-size", "1")
    assert done.code == 0
    assert "note: valid and test will be drawn anew from the shards: other samples than those of runs" in done.err
    shards = sorted((tmp_path / "photos-shards").glob("*.tar"))
    assert [shard.name for shard in shards] == [f"images-{number:06}.tar" for number in range(4)]
    assert all(shard.stat().st_size < 1_000_000 + 10_240 for shard in shards)  # tarfile fills its last record


def test_a_shard_is_written_before_the_next_is_planned(
    cli, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that memory does not grow with the number of files."""
    monkeypatch.setattr("clfkit.data.packing.MEGABYTE", 10_000)
    looked_at: list[str] = []
    looked_at_first: list[int] = []
    look, plain = Path.stat, os.open

    def stat(self: Path, **options: bool) -> os.stat_result:
        if self.suffix == ".png":
            looked_at.append(self.name)
        return look(self, **options)

    def opened(path: Any, *rest: Any, **more: Any) -> int:
        if os.fspath(path).endswith(".png"):
            looked_at_first.append(len(looked_at))
        return plain(path, *rest, **more)

    monkeypatch.setattr(Path, "stat", stat)
    monkeypatch.setattr(os, "open", opened)
    assert cli("pack", photos, "--out", tmp_path / "shards", "--shard-size", "1").code == 0
    assert 0 < looked_at_first[0] < 10 < len(looked_at)


def test_what_a_killed_process_left_is_told(cli, photos: Path, tmp_path: Path) -> None:
    for name in (".a.b.123.tmp", ".a.b.c.123.tmp", ".a.1.tmp"):
        (tmp_path / name).mkdir()
    done = cli("pack", photos, "--out", tmp_path / "a.b")
    assert done.code == 0
    assert [line for line in done.err.splitlines() if "left of" in line] == [
        f"note: {tmp_path}/.a.b.123.tmp is left of a packing that did not end; remove it, unless one is still at work"
    ]


def test_training_on_streamed_shards_resumes_exactly(cli, photos: Path, tmp_path: Path) -> None:
    config = tmp_path / "shards.yaml"
    config.write_text(cli("pack", photos, "--set", "data.size=120", "--set", "data.memory=1").out)

    def weights(run: str, *steps: int) -> bytes:
        for number, last in enumerate(steps):
            more = ("--resume", tmp_path / "outputs/photos-shards" / run) if number else ("--run-id", run)
            sized = ("--set", f"train.max_steps={last}", "--set", "train.batch_size=4", "--set", "train.epochs=2")
            done = cli("train", config, "--out", tmp_path / "outputs", "--quiet", *sized, *more)
            assert done.code == 0, done.err
        return (tmp_path / "outputs/photos-shards" / run / "checkpoints/last/model.safetensors").read_bytes()

    assert weights("cut", 3, 8) == weights("whole", 8)


def test_labels_of_a_csv_are_kept(cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(6):
        paint(tmp_path / "photos" / f"{number}.png", rng)
    lines = [f"{number}.png,{'cat' if number % 2 else 'dog'}" for number in range(6)]
    (tmp_path / "photos/list.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    config = write_config(tmp_path, tmp_path / "photos", ", csv: list.csv")
    (tmp_path / "shards.yaml").write_text(cli("pack", config).out)
    bundle = bundle_of(load_config(tmp_path / "shards.yaml"))
    found = {path: name for split in (bundle.train, bundle.test) for path, (name, _) in samples(
        split, bundle, packed=True
    ).items()}  # fmt: skip
    assert found and all(name == ("cat" if int(path[0]) % 2 else "dog") for path, name in found.items())


def test_what_cannot_be_packed(cli, blobs: Path, photos: Path, tmp_path: Path) -> None:
    done = cli("pack", blobs)
    assert (done.code, "only image_folder can be packed, not 'blobs'" in done.err) == (2, True)
    done = cli("pack", photos, "--out", tmp_path)
    assert (done.code, "exists already" in done.err) == (2, True)
    assert cli("pack", photos, "--shard-size", "0").code == 2
    (tmp_path / "list.csv").write_text("path,label\nphotos.yaml,a\n")
    done = cli("pack", photos, "--set", f"data.root={tmp_path}", "--set", "data.csv=list.csv", "--out", tmp_path / "x")
    assert (done.code, "its name does not end as that of an image" in done.err) == (1, True)
    assert not (tmp_path / "x").exists()


def test_a_failure_leaves_nothing_behind(cli, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = os.open

    def vanished(path: Any, *rest: Any, **more: Any) -> int:
        if os.fspath(path).endswith("/0.jpg"):
            raise FileNotFoundError(2, "No such file or directory", path)
        return plain(path, *rest, **more)

    monkeypatch.setattr(os, "open", vanished)
    before = sorted(tmp_path.iterdir())
    done = cli("pack", photos, "--out", tmp_path / "shards")
    assert done.code == 1
    assert "0.jpg: no such file" in done.err
    assert sorted(tmp_path.iterdir()) == before
