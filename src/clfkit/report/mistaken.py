"""The sections of a report about single classes and samples: confusions, calibration, mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from clfkit.data.bundle import IndexArray
from clfkit.metrics.probabilities import Bin
from clfkit.report.charts import written
from clfkit.report.judged import Judged
from clfkit.report.material import Material
from clfkit.report.pictures import pictures_of
from clfkit.report.sections import BARRED_CLASSES, Missing, value

GALLERY = 48
"""Mistakes that are shown."""
SUSPECTS = 60
"""Likely label errors that are listed."""
PAIRS = 30
"""Pairs of classes that are listed."""
TABLED_CLASSES = 5000
"""Rows of the table of classes; of more the ones with the lowest F1."""


def confusion(material: Material) -> dict[str, Any] | Missing:
    """The counts of every pair of classes that occurs, and the most confused ones in words."""
    judged = material.judged
    if isinstance(judged, str):
        return Missing(judged)
    true, said, counts = judged.confusion
    support = np.bincount(judged.labels, minlength=judged.classes)
    wrong = np.flatnonzero(true != said)
    order = wrong[np.lexsort((-counts[wrong] / support[true[wrong]], -counts[wrong]))][:PAIRS]
    names = material.classes
    return {
        "counts": np.column_stack([true, said, counts]).ravel().tolist(),
        "pairs": [
            (names[true[at]], names[said[at]], int(counts[at]), written(counts[at] / support[true[at]], "percent"))
            for at in order
        ],
        "mistakes": len(judged.mistakes),
        "samples": len(judged),
        "kinds": len(wrong),
    }


def classes(material: Material) -> dict[str, Any] | Missing:
    """Precision, recall, F1 and support of each class: of many the lowest F1 first, else in the order of the data."""
    table = material.evaluation.get("classes", {})
    if not table:
        return Missing("nothing was evaluated yet")
    judged, counts = material.judged, material.train_counts
    often = {} if isinstance(judged, str) else _taken_for(judged, material.classes)
    names = list(enumerate(table))
    if len(names) > BARRED_CLASSES:
        names.sort(key=lambda pair: (table[pair[1]]["f1"] is None, table[pair[1]]["f1"]))
    rows = [
        {
            "name": name,
            "train": counts[at] if at < len(counts) else None,
            "support": table[name]["support"],
            **{column: value("accuracy", table[name][column], table[name].get(f"{column}_interval"))
               for column in ("recall", "precision", "f1")},
            "taken": often.get(name, ("", 0)),
        }
        for at, name in names[:TABLED_CLASSES]
    ]  # fmt: skip
    return {"rows": rows, "all": len(names), "intervals": any(row["recall"].interval for row in rows)}


def _taken_for(judged: Judged, names: Sequence[str]) -> dict[str, tuple[str, int]]:
    """For each class the one that its samples are most often taken for, and how many."""
    found: dict[str, tuple[str, int]] = {}
    for true, said, count in zip(*(each.tolist() for each in judged.confusion), strict=True):
        name = names[true]
        if true != said and count > found.get(name, ("", 0))[1]:
            found[name] = (names[said], count)
    return found


def calibration(material: Material) -> dict[str, Any] | Missing:
    """Confidence against accuracy, and what the model's temperature makes of it.

    As far as the evaluation knows them the figures are its own: those of saved probabilities are rounded.
    """
    judged, known = material.judged, material.evaluation.get("calibration", {})
    if isinstance(judged, str):
        return Missing(judged)
    if not len(judged):
        return Missing("the split has no samples")
    bins = [Bin(**each) for each in known["bins"]] if "bins" in known else judged.reliability()
    error = material.evaluation.get("metrics", {}).get("ece")
    if error is None:
        error = sum(each.samples * abs(each.accuracy - each.confidence) for each in bins) / len(judged)
    gap = sum(each.samples * (each.accuracy - each.confidence) for each in bins) / len(judged)
    return {
        "bins": bins,
        "calibrated": [Bin(**each) for each in known.get("calibrated_bins", ())],
        "largest": max(each.samples for each in bins),
        "ece": written(error, "percent"),
        "gap": f"{100 * abs(gap):.2f}",
        "tone": "overconfident" if gap < 0 else "underconfident",
        "sure": written(float(judged.confidence.mean()), "percent"),
        "right": written(float((judged.labels == judged.predicted).mean()), "percent"),
        "warm": (written(known["temperature"], "number"), written(known["metrics"]["ece"], "percent"))
        if "temperature" in known
        else None,
    }


def mistakes(material: Material) -> dict[str, Any] | Missing:
    """The mistakes that the model was surest of."""
    judged = material.judged
    if isinstance(judged, str):
        return Missing(judged)
    return {**_listed(material, judged, judged.mistakes[:GALLERY]), "all": len(judged.mistakes)}


def label_errors(material: Material) -> dict[str, Any] | Missing:
    """Samples whose given label is probably wrong: those that the evaluation names, or found in the predictions."""
    judged = material.judged
    if isinstance(judged, str):
        return Missing(judged)
    named = material.evaluation.get("label_errors")
    if named is None:
        rows = judged.suspects()
    else:
        places = {str(name): at for at, name in enumerate(judged.ids.tolist())}
        found = (places.get(str(each.get("id"))) for each in named)
        rows = np.array([at for at in found if at is not None], np.int64)
    return {**_listed(material, judged, rows[:SUSPECTS]), "all": len(rows)}


def _listed(material: Material, judged: Judged, rows: IndexArray) -> dict[str, Any]:
    """Samples with what they are and what they were taken for, and their pictures where there are some."""
    names, pictures, no_pictures = material.classes, [""] * len(rows), ""
    if material.classifier is not None and material.classifier.spec.inputs == "image" and len(rows):
        samples = material.samples
        found = samples if isinstance(samples, str) else pictures_of(samples, rows)
        pictures, no_pictures = (pictures, found) if isinstance(found, str) else (found, "")
    return {
        "items": [
            {
                "id": str(judged.ids[row]),
                "given": names[judged.labels[row]],
                "said": names[judged.predicted[row]],
                "probability": written(float(judged.confidence[row]), "percent"),
                "own": written(float(judged.own[row]), "percent"),
                "picture": picture,
            }
            for row, picture in zip(rows.tolist(), pictures, strict=True)
        ],
        "no_pictures": no_pictures,
    }
