"""From an experiment's config to a report on its data, without training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from clfkit import rng
from clfkit.checking.classes import class_facts, class_findings
from clfkit.checking.copies import copies, equal_rows
from clfkit.checking.findings import Example, Fact, Finding, Place, Report
from clfkit.checking.looking import Looked, look_at_arrays, look_at_files
from clfkit.checking.near import DISTANCE, alike
from clfkit.checking.pictures import Pictures
from clfkit.checking.rows import row_facts, row_findings
from clfkit.checking.samples import Samples
from clfkit.checking.sizes import size_facts, size_findings
from clfkit.config import ExperimentConfig
from clfkit.data.bundle import PARTS, Dataset, IndexArray, Part, listed
from clfkit.data.images import ImageFiles
from clfkit.data.labelling import PART_NAMES
from clfkit.data.leaving_out import Rule
from clfkit.data.loading import read_undecoded
from clfkit.data.roots import expanded
from clfkit.data.scanning import suffixes_of
from clfkit.data.shard_images import ShardImages
from clfkit.data.splitting import split_indices
from clfkit.errors import DataError
from clfkit.losses import named_weights
from clfkit.wording import counted


def check_data(config: ExperimentConfig, *, near: bool = False) -> Report:
    """Look at every sample of an experiment once.

    near: look for pictures that are alike, too. Raises DataError as `load_bundle` does for data that make no
    classification problem, but not for images that cannot be decoded.
    """
    dataset = read_undecoded(config.data, config.data_seed)
    if dataset.kind == "vector":
        return _check_vectors(config, dataset)
    looked = _looked(config, dataset)
    if not len(looked.rows):
        raise DataError(f"none of {len(dataset.labels):,} images can be decoded: {next(iter(looked.bad.values()))}")
    options = config.data.options
    rule = Rule(getattr(options, "on_bad_sample", "error"), getattr(options, "max_bad", 0))
    samples, undivided = _divided(config, dataset, looked.rows)
    what = f"{len(dataset.labels):,} images of {len(dataset.classes):,} classes"
    groups = equal_rows(looked.pictures["digest"])
    similar = list(_alike(samples, looked.pictures, groups)) if near else []
    facts = [*class_facts(samples), *size_facts(looked.pictures, dataset.image)]
    if near and not similar:
        facts.append(Fact("near", "no two different pictures look alike", {"count": 0}))
    findings = [
        *_unread(dataset),
        *_bad(rule, dataset, looked),
        *undivided,
        *copies(samples, groups, "image"),
        *similar,
        *class_findings(samples),
        *_unknown_weights(config, dataset),
        *size_findings(samples, looked.pictures, dataset.image),
    ]
    return Report(config.name, what, facts, _worst_first(findings))


def _check_vectors(config: ExperimentConfig, dataset: Dataset) -> Report:
    samples, undivided = _divided(config, dataset, np.arange(len(dataset.labels)))
    what = f"{len(dataset.labels):,} rows of {len(dataset.classes):,} classes"
    facts = class_facts(samples)
    if dataset.density is not None:
        drawn = f"drawn from the density that {config.data.name} describes: there are no files to check"
        weights = list(_unknown_weights(config, dataset))
        return Report(config.name, what, [*facts, Fact("source", drawn, {"synthetic": True})], weights)
    findings = [
        *undivided, *row_findings(dataset, samples), *class_findings(samples), *_unknown_weights(config, dataset),
    ]  # fmt: skip
    return Report(config.name, what, [*facts, *row_facts(dataset)], _worst_first(findings))


def _looked(config: ExperimentConfig, dataset: Dataset) -> Looked:
    images, options = dataset.files, config.data.options
    if not isinstance(images, (ImageFiles, ShardImages)):
        return look_at_arrays(dataset.inputs)
    return look_at_files(images, Path(expanded(getattr(options, "root", ""))), getattr(options, "cache", "off"))


def _divided(config: ExperimentConfig, dataset: Dataset, rows: IndexArray) -> tuple[Samples, list[Finding]]:
    """The samples at these rows, divided as training divides them once the others are gone.

    Where they cannot be divided so, all are train samples, and why is a finding.
    """
    places = np.full(len(dataset.labels), -1, np.int64)
    places[rows] = np.arange(len(rows))
    given: dict[Part, IndexArray] = {part: places[at][places[at] >= 0] for part, at in dataset.given.items()}
    labels = dataset.labels[rows]
    undivided: list[Finding] = []
    try:
        divided = split_indices(labels, config.data.options.split, given, rng.generator(config.data_seed, "split"))
    except DataError as error:
        divided = {}
        remedy = "until then all count as train samples here"
        undivided.append(Finding("split", True, len(rows), str(error), remedy))
    parts = np.zeros(len(rows), np.int8)
    for part, at in divided.items():
        parts[at] = PARTS.index(part)
    ids = np.arange(len(dataset.labels)) if dataset.ids is None else dataset.ids
    return Samples(ids[rows], dataset.classes, labels, parts), undivided


def _unknown_weights(config: ExperimentConfig, dataset: Dataset) -> Iterator[Finding]:
    """Weights of classes that the data lack, which end training before it begins."""
    wanted = config.train.loss.options.class_weights
    if isinstance(wanted, Mapping):
        try:
            named_weights(wanted, dataset.classes)
        except DataError as error:
            yield Finding("class_weights", True, 1, str(error), "name classes of the data")


def _unread(dataset: Dataset) -> Iterator[Finding]:
    """Pictures in formats that are not read; a problem where they are all that a class folder has."""
    if not len(dataset.unread):
        return
    split = [(name, *name.split("/")[:2]) for name in dataset.unread]  # the folder of a part may come first
    places = [
        Place(name, second, PART_NAMES[first]) if dataset.given else Place(name, first, None)
        for name, first, second in split
    ]
    classes = [place.class_name for place in places]
    lost = sorted(set(classes) - set(dataset.classes.names))
    what = f"{counted(len(classes), 'picture')} in formats that are not read ({suffixes_of(dataset.unread)})"
    if lost:
        what += f"; folders that hold nothing else, and make no class: {listed(lost)}"
    examples = [Example("", (place,)) for place in places]
    yield Finding("unread", bool(lost), len(places), what, "convert them to JPEG or PNG to train on them", examples)


def _bad(rule: Rule, dataset: Dataset, looked: Looked) -> Iterator[Finding]:
    """Images that cannot be decoded, with class, given part and reason; no problem where training leaves them out."""
    if not looked.bad:
        return
    of_row: dict[int, Part] = {int(row): part for part, at in dataset.given.items() for row in at}
    ids, names = dataset.ids, dataset.classes.names
    assert ids is not None, "files have names"
    examples = [
        Example(bad.reason, (Place(str(ids[row]), names[dataset.labels[row]], of_row.get(row)),))
        for row, bad in looked.bad.items()
    ]
    what = f"{counted(len(examples), 'image')} that cannot be decoded"
    if len(examples) <= rule.allowed(len(dataset.labels)):
        told = f"{what}, left out of training (data.on_bad_sample: {rule.on_bad_sample})"
        yield Finding("bad_files", False, len(examples), told, "mend the files to train on them", examples)
        return
    remedy = "mend or remove the files, or train without them:"
    if rule.on_bad_sample == "error":
        remedy += " --set data.on_bad_sample=skip"
    if len(examples) > rule._replace(on_bad_sample="skip").allowed(len(dataset.labels)):
        remedy += f" --set data.max_bad={len(examples)}"
    yield Finding("bad_files", True, len(examples), what, remedy, examples)


def _alike(samples: Samples, pictures: Pictures, groups: list[IndexArray]) -> Iterator[Finding]:
    """Pictures that look alike, of which no more is sure; of equal ones the first stands for all."""
    first = np.ones(len(samples), np.bool_)
    for group in groups:
        first[group[1:]] = False
    rows = np.flatnonzero(first)
    pairs = alike(pictures["thumb"][rows])
    if not len(pairs.rows):
        return
    at = rows[pairs.rows]
    across = samples.parts[at[:, 0]] != samples.parts[at[:, 1]]
    torn = samples.labels[at[:, 0]] != samples.labels[at[:, 1]]
    order = np.lexsort((pairs.distances, ~torn, ~across))
    least = "" if pairs.complete else "at least "
    summary = (
        f"{least}{counted(len(at), 'pair')} of images that look alike: {int(across.sum()):,} across splits, "
        f"{int(torn.sum()):,} of two classes"
    )
    examples = [
        Example(f"{pairs.distances[row]} of 64 bits differ", samples.places(at[row].tolist())) for row in order.tolist()
    ]
    yield Finding(
        "near_copies", False, len(at), summary,
        f"look at them: they differ in at most {DISTANCE} bits of a hash, and may be different pictures", examples,
    )  # fmt: skip


def _worst_first(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: not finding.hurts)
