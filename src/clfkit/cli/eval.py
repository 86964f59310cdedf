"""clfkit eval: score a trained model on a split, or on other data."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clfkit.cli.arguments import AsJson, CheckpointSource, OutputRoot, Overrides, Plugins, Quiet
from clfkit.cli.terminal import columns, complain, say
from clfkit.errors import UsageError

if TYPE_CHECKING:
    from clfkit.classifier import Classifier
    from clfkit.evaluation import Evaluation

CLASSES_SHOWN = 20


class SplitName(StrEnum):
    """The parts of a dataset."""

    train = "train"
    valid = "valid"
    test = "test"


def evaluate(
    checkpoint: CheckpointSource,
    split: Annotated[SplitName, typer.Option(help="Part of the data to score.")] = SplitName.test,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="OTHER",
            help="Other labelled samples: a folder of class folders, .csv, .npz, or an experiment's .yaml.",
        ),
    ] = None,
    overrides: Overrides = [],  # noqa: B006
    out: OutputRoot = Path("outputs"),
    quiet: Quiet = False,
    as_json: AsJson = False,
    plugin: Plugins = [],  # noqa: B006
) -> None:
    """Score a trained model. Classes are matched by name; the model's best checkpoint is used."""
    from clfkit.classifier import load

    classifier = load(checkpoint, out).with_overrides(overrides)
    evaluation = _own_data(classifier, split.value) if data is None else _other_data(classifier, data, split.value)
    source = str(classifier.run.path) if classifier.run else checkpoint
    if as_json:
        from clfkit.storage import without_nan

        where = {} if data is None else {"data": str(data)}
        typer.echo(
            json.dumps(
                {
                    "run": source,
                    "split": evaluation.split,
                    **where,
                    "metrics": without_nan(evaluation.metrics),
                }
            )
        )
    elif not quiet:
        _show(evaluation, source)


def _own_data(classifier: Classifier, split: str) -> Evaluation:
    from clfkit.evaluation import evaluate, save_evaluation

    part = classifier.bundle.part(split)  # type: ignore[arg-type]
    if classifier.data_changed:
        complain(
            "warning: the data or its split is not what the model was trained with; "
            "samples scored here may have been trained on"
        )
    evaluation = evaluate(classifier.engine, part, split, classifier.spec.classes)
    if classifier.run and not classifier.data_changed:
        save_evaluation(classifier.run, evaluation, part.ids)
    return evaluation


def _other_data(classifier: Classifier, data: Path, split: str) -> Evaluation:
    from clfkit.data.files import read_labelled
    from clfkit.evaluation import evaluate

    if data.suffix in (".yaml", ".yml"):
        part = classifier.on_data_of(data).bundle.part(split)  # type: ignore[arg-type]
        return evaluate(classifier.engine, part, split, classifier.spec.classes)
    if not data.exists():
        raise UsageError(f"--data {data}: no such file or folder")
    return evaluate(classifier.engine, read_labelled(data, classifier.spec), "all", classifier.spec.classes)


def _show(evaluation: Evaluation, source: str) -> None:
    say(f"{source} on {evaluation.split}: {evaluation.samples:,} samples")
    say()
    say(columns(evaluation.metrics.items(), ("metric", "value")))
    classes = evaluation.classes
    say()
    if len(classes) > CLASSES_SHOWN:
        worst = sorted(classes, key=lambda name: (classes[name]["f1"] != classes[name]["f1"], classes[name]["f1"]))
        say(f"the {CLASSES_SHOWN} classes with the lowest F1 of {len(classes):,}")
        classes = {name: classes[name] for name in worst[:CLASSES_SHOWN]}
    rows = [(name, c["precision"], c["recall"], c["f1"], int(c["support"])) for name, c in classes.items()]
    say(columns(rows, ("class", "precision", "recall", "f1", "support")))
