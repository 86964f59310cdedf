"""What stands in words beside an exported file: what goes in, what comes out, and where it is from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clfkit import __version__
from clfkit.classifier import Classifier
from clfkit.data.bundle import DataSpec
from clfkit.data.files import image_format
from clfkit.environment import version_of


def description(classifier: Classifier, libraries: Sequence[str]) -> dict[str, Any]:
    """Input, output, classes in the order of the output's columns, origin and versions, as plain values."""
    spec, state = classifier.spec, classifier.checkpoint.state
    return {
        "input": {"name": "samples", **_input(spec)},
        "normalization": {"done_by": "the file itself", "mean": list(spec.mean), "std": list(spec.std)},
        "output": {"name": "probabilities", "dtype": "float32", "shape": ["batch", len(spec.classes)]},
        "classes": list(spec.classes.names),
        "experiment": classifier.config.name,
        "run": classifier.run.id if classifier.run else None,
        "epoch": state.epoch,
        "step": state.step,
        "model": classifier.config.model.name,
        "precision": classifier.config.train.precision,
        "versions": {"clfkit": __version__, **{name: version_of(name) for name in libraries}},
    }


def _input(spec: DataSpec) -> dict[str, Any]:
    shape = ["batch", *spec.shape]
    if spec.inputs == "vector":
        columns = [column.model_dump() for column in spec.columns]
        return {"dtype": "float64", "shape": shape, "features": list(spec.feature_names), "columns": columns}
    channels = spec.shape[0]
    files = image_format(spec).model_dump() if channels in (1, 3) else None
    order = {1: "grey", 3: "red, green, blue"}.get(channels, f"{channels} channels")
    return {"dtype": "uint8", "shape": shape, "values": f"pixels from 0 to 255, {order}", "image": files}
