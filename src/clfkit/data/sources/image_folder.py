"""Image files of your own, in one folder for each class or listed in a CSV file."""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Iterator
from pathlib import Path
from posixpath import normpath
from typing import NamedTuple

import numpy as np
from pydantic import PositiveInt

from clfkit.components import datasets
from clfkit.data.bundle import Dataset, Decoder, IndexArray, Part, listed
from clfkit.data.csv_files import CsvTable, read_csv
from clfkit.data.images import ImageFiles
from clfkit.data.index import IndexFile, Watched
from clfkit.data.labelling import (
    PART_NAMES,
    Coded,
    LabelledFiles,
    label_samples,
    must_differ,
    part_codes,
    part_named,
)
from clfkit.data.leaving_out import OnBadSample, Rule
from clfkit.data.names import NO_NAMES, NameCollector, Names
from clfkit.data.roots import missing
from clfkit.data.scanning import ImageScan, folders_in, left_out
from clfkit.data.sources._found_images import Found
from clfkit.data.sources._image_inputs import (
    Cache,
    CacheLimit,
    Channels,
    Keeping,
    MaxBad,
    Resize,
    Size,
    dataset_of,
    image_format,
)
from clfkit.errors import DataError
from clfkit.reporting import say, work

PARTS_ELSEWHERE = {*PART_NAMES, "testing", "eval", "evaluation", "dev", "holdout"}
"""What others call the parts, in small letters; a class is hardly called so."""


@datasets.register("image_folder", inputs="image")
def image_folder(
    seed: int,
    *,
    root: str,
    size: Size = 64,
    channels: Channels = 3,
    resize: Resize = "crop",
    csv: str | None = None,
    memory: PositiveInt = 2048,
    cache: Cache = "auto",
    cache_limit: CacheLimit = 20.0,
    decoder: Decoder = "pillow",
    on_bad_sample: OnBadSample = "error",
    max_bad: MaxBad = 0.01,
) -> Dataset:
    """Image files below one folder, uint8 (N, channels, height, width).

    Three layouts are understood:
    `root/CLASS/….png`; `root/train/CLASS/….png` with `valid` (or `val`) and `test` beside `train`;
    a CSV file with the columns path, label and perhaps split (train, valid or test).
    Images may lie deeper below a class folder. Hidden files, and class folders without images, are passed over.
    The classes are those of the train part, sorted by name (whole numbers by value); other parts are matched to
    them by name. Sample ids are the paths relative to `root`.

    Raises DataError naming the folder, the CSV line or the image file at fault, and ClassMismatch when another
    part has classes that the train part does not have.

    Options:
        root: folder of the images.
        size: side of the images in pixels, or [height, width].
        channels: 3 for colour, 1 for grey.
        resize: crop (the shorter side is fitted, the longer one cut evenly) or stretch.
        csv: CSV file, relative to root, whose paths are relative to root too.
        memory: megabytes up to which all decoded images are held in memory; beyond, batches are read when needed.
        cache: folder for decoded images and the index, which later runs read; auto for the user's own, off for none.
        cache_limit: gigabytes that all decoded images in that folder may take; those not used for longest give way,
            and a dataset that is larger is decoded in every epoch.
        decoder: who decodes JPEG files: pillow, simplejpeg (the same pixels, sooner; `pip install clfkit[jpeg]`) or
            torchvision, where its decoders load.
        on_bad_sample: what becomes of an image that cannot be decoded: error (it stops), skip (it is left out and
            listed in the run) or quarantine (a copy of its file is put into the run too). Files stay where they are.
        max_bad: share (or number) of the images that may be left out; more are an error.
    """
    image = image_format(size, channels, resize, decoder)  # a missing decoder is told before the folder is read
    found = labelled_files(root, csv, cache, missing_too=on_bad_sample != "error")
    must_differ(found.classes)  # before images are decoded
    images = ImageFiles(Path(root), found.names, image)
    keeping = Keeping(root, csv or "", memory, cache, cache_limit)
    return dataset_of(images, found, keeping, Rule(on_bad_sample, max_bad))


def labelled_files(root: str, csv: str | None, cache: str, *, missing_too: bool = False) -> LabelledFiles:
    """What a folder in one of the three layouts holds; no image is opened. Raises as `image_folder` does.

    cache: where it is kept for the next time; off for nowhere. missing_too: name files that a CSV file lists and that
    are not there, instead of raising.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise missing(f"{root} is not a folder", root)
    if csv is not None and not (folder / csv).exists():
        raise DataError(f"data.csv: there is no file {folder / csv}")
    file = IndexFile.of(cache, folder, "image_folder", csv or "", *(["missing too"] if csv and missing_too else []))
    kept = file.read() if file else None
    if kept is not None:
        found = Found.of(kept)
    else:
        watched = Watched(folder)
        found = _from_csv(folder, csv, watched, missing_too) if csv is not None else _from_folders(folder, watched)
        if file:
            file.write(found.arrays(), watched)
    if csv is None:
        _wonder(root, found)
    return LabelledFiles(found.names, *label_samples(found.classes, found.parts, f"data.root: {root}"), found.unread)


def _wonder(root: str, found: Found) -> None:
    """Say what is left out, and where class folders are empty or look like something else: parts, folders."""
    if len(found.unread):
        say(f"note: data.root: {left_out(found.unread)}")
    used = np.bincount(found.classes.codes, minlength=len(found.classes.names))
    if empty := sorted(name for name, count in zip(found.classes.names, used.tolist(), strict=True) if not count):
        verb = "is" if len(empty) == 1 else "are"
        say(f"note: data.root: no images in {listed(empty)}, which {verb} no class then")
    parts = [name for name in found.classes.names if name.lower() in PARTS_ELSEWHERE]
    depth = 1 if found.parts is None else 2
    if len(parts) > 1:
        say(
            f"note: data.root: {listed(sorted(parts))} are taken for classes; "
            "if they are parts, call their folders train, valid and test"
        )
    elif all(name.count("/") > depth for name in _each(found.names)):  # nearly always ends at the first
        first = found.names[0].split("/")
        remedy = f"move them into {Path(root, first[0])}" if depth > 1 else f"give data.root: {Path(root, first[0])}"
        say(f"note: data.root: the class folders hold only folders; if those are the classes, {remedy}")


def _each(names: Names) -> Iterator[str]:
    """The names, without the positions of all of them as a list."""
    for at in range(0, len(names), 10_000):
        yield from names[at : at + 10_000]


class _ClassFolder(NamedTuple):
    path: str
    name: str
    class_name: str
    part: Part | None


def _from_folders(root: Path, watched: Watched) -> Found:
    """Images of one folder of class folders, or of up to three of those called train, valid and test."""
    chosen = _class_folders(root, watched)
    scan = ImageScan(watched.add)
    counts = []
    with work("scanning class folders", len(chosen)) as progress:
        for folder in chosen:
            counts.append(scan.add(folder.path, folder.name))
            progress.advance()
    _check_counts(root, chosen, counts, scan.unread())
    of_folder = Coded.of(folder.class_name for folder in chosen)
    classes = Coded(np.repeat(of_folder.codes, counts), of_folder.names)
    parts = [folder.part for folder in chosen if folder.part]
    return Found(scan.names(), classes, np.repeat(part_codes(parts), counts) if parts else None, scan.unread())


def _class_folders(root: Path, watched: Watched) -> list[_ClassFolder]:
    """The class folders below `root`, or below its folders called train, valid and test."""
    folders = {entry.name: entry for entry in folders_in(root, "", watched.add)}
    part_folders = {name: folder for name, folder in folders.items() if name in PART_NAMES}
    divided = "train" in folders and bool(folders_in(folders["train"].path, "train", watched.add))
    if not divided or (len(part_folders) == 1 and len(folders) > 1):  # a class may be called "train"
        if not folders:
            raise DataError(f"data.root: {root} has no class folders; if it is one itself, give the folder above it")
        return [_ClassFolder(folder.path, name, name, None) for name, folder in folders.items()]
    found: list[_ClassFolder] = []
    of_part: dict[Part, str] = {}
    for name, folder in part_folders.items():
        part = PART_NAMES[name]
        if part in of_part:
            raise DataError(f"data.root: {root} has both {of_part[part]!r} and {name!r}, which mean the same part")
        of_part[part] = name
        inner = folders_in(folder.path, name, watched.add)
        if not inner:
            raise DataError(f"data.root: {folder.path} has no class folders")
        found += [_ClassFolder(entry.path, f"{name}/{entry.name}", entry.name, part) for entry in inner]
    return found


def _check_counts(root: Path, folders: list[_ClassFolder], counts: list[int], unread: Names) -> None:
    """Raises DataError for a part, or a root without parts, none of whose class folders holds an image."""
    for part in dict.fromkeys(folder.part for folder in folders):
        of_part = [(folder, count) for folder, count in zip(folders, counts, strict=True) if folder.part == part]
        if not any(count for _, count in of_part):
            where = Path(of_part[0][0].path).parent
            own = [name for name in unread if part is None or name.startswith(f"{where.name}/")]
            hint = f"; {left_out(Names.of(own))}" if own else ""
            raise DataError(f"data.root: {where} has no images in its {len(of_part)} class folders{hint}")


def _from_csv(root: Path, file: str, watched: Watched, missing_too: bool) -> Found:
    """The images that a CSV file lists. Raises DataError naming the line of a file that is missing or a repetition."""
    watched.add(file)
    table = read_csv(root / file)
    cells = table.cells("path", "path")
    classes = Coded.of(table.cells("label", "label"))
    names = NameCollector()
    folders: dict[str, str] = {}
    hashes = array("q")
    with work("checking listed files", len(cells)) as progress:
        for row, cell in enumerate(cells):
            name = _below(root, cell, table, row)
            real = _real(root, name, folders)
            if real is None and not missing_too:
                remedy = "; write the path with /" if "\\" in name else ""
                raise DataError(f"{table.where(row)}: there is no file {root / name}{remedy}")
            hashes.append(hash(real or ("", name)))
            names.extend([name.encode()])
            progress.advance()
    for folder in folders:
        watched.add(folder)
    _refuse_repeated(root, names.names(), np.array(hashes, np.int64), folders, table)
    if "split" not in table.header:
        return Found(names.names(), classes, None, NO_NAMES)
    parts = part_codes(part_named(cell, table.where(row)) for row, cell in enumerate(table.cells("split", "split")))
    return Found(names.names(), classes, parts, NO_NAMES)


def _below(root: Path, cell: str, table: CsvTable, row: int) -> str:
    """The path of a listed file relative to `root`, with slashes. Raises DataError if it leads elsewhere."""
    if cell == normpath(cell) and cell[0] not in "./" and os.sep == "/":
        return cell  # nearly all are so; the rest takes ten times as long
    path = root / cell
    if not path.is_relative_to(root) or ".." in path.parts[len(root.parts) :]:
        raise DataError(f"{table.where(row)}: {path} does not lie below {root}")
    return path.relative_to(root).as_posix()


def _real(root: Path, name: str, folders: dict[str, str]) -> tuple[str, str] | None:
    """The real folder and the real name of a file, whatever links lead to it; None if there is none.

    folders: those that are known already.
    """
    folder, _, base = name.rpartition("/")
    path = ""
    try:
        if folder not in folders:
            folders[folder] = os.path.realpath(root / folder)
        path = f"{folders[folder]}{os.sep}{base}"
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            path = os.path.realpath(path)
            mode = os.lstat(path).st_mode
    except OSError:
        mode = 0
    if not stat.S_ISREG(mode):
        return None
    real, _, last = path.rpartition(os.sep)
    return real, last


def _refuse_repeated(root: Path, names: Names, hashes: IndexArray, folders: dict[str, str], table: CsvTable) -> None:
    """Raises DataError naming both lines for a file that is listed twice. `hashes`: of the real path of each."""
    _, which, times = np.unique(hashes, return_inverse=True, return_counts=True)
    seen: dict[tuple[str, str], int] = {}
    for row in np.flatnonzero(times[which] > 1).tolist():
        first = seen.setdefault(_real(root, names[row], folders) or ("", names[row]), row)
        if first != row:
            raise DataError(f"{table.where(row)}: {root / names[row]} stands on line {table.lines[first]} already")
