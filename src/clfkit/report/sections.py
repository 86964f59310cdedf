"""The sections of a report, each as plain values for the template, or as what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from clfkit.data.bundle import Split
from clfkit.data.leaving_out import told
from clfkit.document import as_yaml
from clfkit.errors import ClfkitError
from clfkit.history import EpochRecord
from clfkit.plots.style import thinned
from clfkit.report import charts
from clfkit.report.charts import written
from clfkit.report.choices import own_choices
from clfkit.report.material import Material
from clfkit.report.pictures import pictures_of
from clfkit.report.planes import boundary
from clfkit.timing import SHOWN, Pace, training_seconds
from clfkit.wording import in_table

GRID = 40
"""Train images that are shown, of as many classes as possible."""
BARRED_CLASSES = 40
"""Up to so many classes the samples of each are a bar with a name."""

SHARES = (
    "accuracy", "top5", "balanced_accuracy", "head_accuracy", "middle_accuracy", "tail_accuracy", "macro_f1",
    "weighted_f1", "macro_precision", "weighted_precision", "ece",
)  # fmt: skip
"""Metrics that are shares, and read as percentages; first of all they are listed, in this order."""


@dataclass(frozen=True)
class Missing:
    """What stands in place of a section."""

    why: str


@dataclass(frozen=True)
class Value:
    """A number and its interval, as text; at, low, high: as shares of a bar from 0 to 1, where they are shares."""

    text: str
    interval: str = ""
    at: float | None = None
    low: float | None = None
    high: float | None = None


def headline(material: Material) -> Value | Missing:
    """The accuracy and its interval."""
    accuracy = material.evaluation.get("metrics", {}).get("accuracy")
    if accuracy is None:
        return Missing("nothing was evaluated yet")
    return value("accuracy", accuracy, material.evaluation.get("intervals", {}).get("accuracy"))


def value(metric: str, number: float | None, ends: Sequence[float | None] | None = None) -> Value:
    """A metric for people."""
    share = metric in SHARES
    known = None if not ends or None in ends else [float(end) for end in ends if end is not None]

    def text(one: float) -> str:
        return written(one, "percent") if share else f"{one:.4f}"

    between = "" if known is None else f"{text(known[0]).removesuffix(' %')} to {text(known[1])}"
    if number is None:
        return Value("–", between)
    if not share:
        return Value(text(number), between)
    return Value(text(number), between, number, *(known or (None, None)))


def metrics(material: Material) -> list[tuple[str, list[Value]]]:
    """A row for each metric that is defined on any split, a value for each split."""
    found = [evaluation.get("metrics", {}) for evaluation in material.evaluations.values()]
    defined = {name for each in found for name, number in each.items() if number is not None}
    if len(material.classes) <= 5:
        defined.discard("top5")
    ordered = [name for name in SHARES if name in defined]
    ordered += sorted(defined - set(SHARES))
    return [
        (
            name,
            [
                value(name, each["metrics"].get(name), each.get("intervals", {}).get(name))
                for each in material.evaluations.values()
            ],
        )
        for name in ordered
    ]


def config(material: Material) -> dict[str, Any]:
    """What was chosen, and the whole file."""
    chosen = [
        (key, in_table(value), in_table(default)) for key, (value, default) in own_choices(material.config).items()
    ]
    return {"chosen": chosen, "text": as_yaml(material.config.plain()).splitlines()}


def data(material: Material) -> dict[str, Any] | Missing:
    """How many samples of which classes, and some of them."""
    if material.classifier is None:
        return Missing(material.no_model)
    spec, counts = material.classifier.spec, np.array(material.train_counts)
    kind = "images" if spec.inputs == "image" else "features"
    order = np.argsort(-counts, kind="stable")
    sizes = {"train": int(counts.sum())} | {part: each["samples"] for part, each in material.evaluations.items()}
    bundle = material.data
    if not isinstance(bundle, str):
        sizes = {part: len(getattr(bundle, part)) for part in ("train", "valid", "test")}
    left_out = ""
    if not isinstance(bundle, str) and bundle.left_out.samples:
        left_out = told(bundle.left_out, sum(sizes.values()))
    pictures: list[dict[str, str]] | str = []
    if spec.inputs == "image":
        pictures = bundle if isinstance(bundle, str) else _grid(bundle.train, material.classes)
    return {
        "sizes": sizes,
        "left_out": left_out,
        "kind": kind,
        "shape": " × ".join(f"{size:,}" for size in spec.shape),
        "classes": len(spec.classes),
        "smallest": int(counts.min()),
        "largest": int(counts.max()),
        "bars": [(spec.classes.names[at], int(counts[at]), float(counts[at] / counts.max())) for at in order]
        if len(counts) <= BARRED_CLASSES
        else [],
        "fingerprint": material.classifier.checkpoint.fingerprint,
        "pictures": pictures,
    }


def _grid(split: Split, classes: Sequence[str]) -> list[dict[str, str]] | str:
    """Train images: the first of each class, evenly spread over the classes, then seconds while there is room.

    Or why they cannot be read.
    """
    order = np.argsort(split.labels, kind="stable")
    _, starts, counts = np.unique(split.labels[order], return_index=True, return_counts=True)
    few = thinned(len(starts), GRID)
    rows: list[int] = []
    for turn in range(-(-GRID // len(few))):
        rows += [int(order[starts[at] + turn]) for at in few if counts[at] > turn]
    chosen = np.array(sorted(rows[:GRID], key=lambda row: (int(split.labels[row]), row)), np.int64)
    found = pictures_of(split, chosen)
    if isinstance(found, str):
        return found
    return [
        {"source": picture, "caption": classes[split.labels[row]]} for row, picture in zip(chosen, found, strict=True)
    ]


def curves(material: Material) -> list[charts.Chart] | Missing:
    """Loss, accuracy, what else was watched, and the learning rate."""
    records = material.records
    if not records:
        joined = material.status.get("members")
        return Missing(
            f"this run was joined from {len(joined)} trained models" if joined else "no epoch is finished yet"
        )
    if len(records) == 1:
        return Missing(_one_epoch(records[0]))
    epochs, best = [record.epoch for record in records], material.best_epoch
    both = {"train": "first", "valid": "second"}
    plain: tuple[tuple[str, str, charts.Form], ...] = (("Loss", "loss", "number"), ("Accuracy", "accuracy", "percent"))
    wanted: list[tuple[str, dict[tuple[str, str], list[float | None]], charts.Form]] = [
        (title, {(part, look): [r.value(f"{part}.{name}") for r in records] for part, look in both.items()}, form)
        for title, name, form in plain
    ]
    for name in sorted({name for record in records for name in record.others}):
        metric = name.partition(".")[2]
        form: charts.Form = "percent" if metric in SHARES else "number"
        wanted.append((_titled(metric), {("valid", "second"): [r.value(name) for r in records]}, form))
    wanted.append(("Learning rate", {("rate", "second"): [r.lr for r in records]}, "small"))
    drawn = (charts.over_epochs(title, epochs, _known(series), form, best) for title, series, form in wanted)
    return [chart for chart in drawn if chart]


def _one_epoch(record: EpochRecord) -> str:
    """What the curves would have said, where there is one epoch."""
    forms: dict[str, charts.Form] = {"loss": "number", "accuracy": "percent"}
    told = (
        f"{part} {name} {written(value, form)}"
        for name, form in forms.items()
        for part in ("train", "valid")
        if (value := record.value(f"{part}.{name}")) is not None
    )
    return f"one epoch makes no curve: {', '.join(told)}"


def _known(series: dict[tuple[str, str], list[float | None]]) -> dict[tuple[str, str], list[float | None]]:
    return {key: values for key, values in series.items() if any(value is not None for value in values)}


def _titled(metric: str) -> str:
    return metric.replace("_", " ").capitalize()


def regions(material: Material) -> dict[str, Any] | Missing | None:
    """Decision regions of vectors; None for images, which have none."""
    classifier = material.classifier
    if classifier is None or classifier.spec.inputs != "vector":
        return None if classifier else Missing(material.no_model)
    if isinstance(material.data, str):
        return Missing(material.data)
    try:
        return asdict(boundary(classifier, material.run))
    except ClfkitError as reason:
        return Missing(str(reason))


def timing(material: Material) -> dict[str, Any] | Missing:
    """Where the seconds of all sessions went, and how many samples a second were trained."""
    records, measured = material.records, material.status.get("timing", {})
    measured = {**measured, "training": training_seconds(measured, records)}
    seconds = {shown: float(measured.get(name, 0)) for name, shown in SHOWN.items()}
    total = sum(seconds.values())
    if not total:
        return Missing("nothing was measured yet")
    pace = Pace.of(records, sum(material.train_counts))
    lasting = {("seconds", "second"): [record.seconds for record in records]}
    several = len(records) > 1
    chart = charts.over_epochs("Seconds of an epoch", [r.epoch for r in records], lasting, "small") if several else None
    return {
        "total": _lasting(total),
        "parts": [(name, _lasting(each), each / total) for name, each in seconds.items() if each],
        "rate": f"{pace.samples:,.0f}" if pace and pace.samples else "",
        "epoch": _lasting(pace.epoch) if pace else "",
        "chart": chart,
    }


def _lasting(seconds: float) -> str:
    """A duration for people."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def environment(material: Material) -> list[tuple[str, str]] | Missing:
    """Versions, machine, command, decisions."""
    return [*_facts(material.environment)] or Missing("environment.json is not there")


def _facts(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    import shlex

    for key in ("clfkit", "python", "platform"):
        if key in found:
            yield key, str(found[key])
    yield from ((key, str(version)) for key, version in found.get("libraries", {}).items() if version)
    yield from ((key, str(choice)) for key, choice in found.get("decisions", {}).items())
    if "command" in found:
        yield "command", shlex.join(map(str, found["command"]))
    if "resumed" in found:
        times = len(found["resumed"])
        yield "resumed", "once" if times == 1 else f"{times} times"
