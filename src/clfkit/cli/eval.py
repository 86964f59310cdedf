"""clfkit eval: score a trained model on a split, or on other data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clfkit.cli.advice import refuse_data_options
from clfkit.cli.arguments import CHECKPOINT, AsJson, OutputRoot, Overrides, Plugins, Quiet, TestTimeViews
from clfkit.cli.terminal import between, calibrated, columns, compared, complain, percent, possible, say, telling
from clfkit.errors import BadImage, DataError, RunError, UsageError
from clfkit.storage import without_nan

if TYPE_CHECKING:
    from clfkit.classifier import Classifier
    from clfkit.data.bundle import Part, Split
    from clfkit.evaluation import Evaluation
    from clfkit.timing import Stopwatch

CLASSES_SHOWN = 20
LISTED = 10  # confused pairs, likely label errors
LONGEST = 80  # characters of a name or an id in a table


def evaluate(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="The same as --checkpoint RUN.", show_default=False)
    ] = None,
    checkpoint: Annotated[str | None, CHECKPOINT] = None,
    split: Annotated[
        str | None, typer.Option(metavar="PART", help="train, valid or test.", show_default="test")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="OTHER",
            help="Other labelled samples: a folder of class folders, .csv, .npz, or an experiment's .yaml.",
        ),
    ] = None,
    tta: TestTimeViews = None,
    overrides: Overrides = [],
    out: OutputRoot = Path("outputs"),
    quiet: Quiet = False,
    as_json: AsJson = False,
    plugin: Plugins = [],
) -> None:
    """Score a trained model. Classes are matched by name; the model's best checkpoint is used."""
    from clfkit.classifier import load
    from clfkit.progress import listener
    from clfkit.reporting import heard_by
    from clfkit.timing import Stopwatch

    if (source := run or checkpoint) is None or (run and checkpoint):
        raise UsageError(
            "which run? clfkit eval RUN, or --checkpoint RUN: a run directory or id, a checkpoint folder or `latest`"
        )
    if split and data and not _is_experiment(data):
        raise UsageError(f"--split {split}: --data {data} has no parts, all of it is scored; leave out --split")
    part, clock = _part(split or "test"), Stopwatch()
    classifier = load(source, out)
    with heard_by(listener(quiet or as_json)):
        if data is None:
            classifier = classifier.with_overrides(overrides)
            evaluation = _own_data(classifier, part, clock, tta)
        else:
            evaluation = _other_data(classifier, data, part, overrides, clock, tta)
    seconds = clock.rounded()["evaluation"]
    if classifier.run and classifier.is_best:
        source = str(classifier.run.path)
    if as_json:
        where: dict[str, object] = {} if data is None else {"data": str(data)}
        where |= {} if tta is None else {"tta": tta}
        if data is None and (left_out := classifier.bundle.left_out.samples):
            where["left_out"] = len(left_out)
        typer.echo(json.dumps({"run": source, **where, **without_nan(evaluation.as_json()), "seconds": seconds}))
    elif not quiet:
        _show(evaluation, classifier.config.model.name, source, seconds)
    if tta is not None:
        if not quiet:
            complain(f"note: averaged over {tta} views of each sample; not kept as the run's own result")
    elif data is None:
        _publish(classifier, evaluation)


def _is_experiment(data: Path) -> bool:
    return data.suffix in (".yaml", ".yml")


def _part(name: str) -> Part:
    """What `--split` means. Raises UsageError."""
    from clfkit.data.labelling import PART_NAMES

    if name not in PART_NAMES:
        raise UsageError(f"--split {name}: must be train, valid or test")
    return PART_NAMES[name]


def _evaluate(classifier: Classifier, samples: Split, name: str, clock: Stopwatch, tta: int | None) -> Evaluation:
    """Score the samples while the clock runs: reading them and building the model come before."""
    from clfkit.evaluation import evaluate

    views, engine = classifier.views(tta), classifier.engine
    with clock.part("evaluation"):
        checkpoint = classifier.checkpoint
        temperature = None if views else checkpoint.temperature  # that of the model's own probabilities
        return evaluate(engine, samples, name, checkpoint.spec.classes, checkpoint.class_counts, views, temperature)


def _own_data(classifier: Classifier, split: Part, clock: Stopwatch, tta: int | None) -> Evaluation:
    part = classifier.bundle.part(split)
    if classifier.data_changed:
        complain(
            "warning: the data or its split is not what the model was trained with; "
            "samples scored here may have been trained on"
        )
    evaluation = _evaluate(classifier, part, split, clock, tta)
    stored = classifier.run.evaluation(split) if classifier.run and classifier.publishes else None
    return replace(evaluation, baselines=(stored or {}).get("baselines", {}))  # of the same samples, as nothing changed


def _publish(classifier: Classifier, evaluation: Evaluation) -> None:
    """Keep the result with the run if it is the run's own: its best checkpoint on its own data."""
    from clfkit.evaluation import save_evaluation

    if classifier.run is None or not classifier.publishes:
        return
    try:
        if classifier.run.checkpoint("best").state != classifier.checkpoint.state:  # it goes on while this is scored
            raise RunError("the run has another best epoch by now, so this is not kept as its result")
        save_evaluation(classifier.run, evaluation)
    except RunError as error:
        complain(f"warning: {error}")


def _other_data(
    classifier: Classifier, data: Path, split: Part, overrides: list[str], clock: Stopwatch, tta: int | None
) -> Evaluation:
    """Score other samples; with a YAML file, `--set` changes that experiment's options."""
    from clfkit.data.files import read_labelled

    if _is_experiment(data):
        part = classifier.on_data_of(data, overrides).bundle.part(split)
        return _evaluate(classifier, part, split, clock, tta)
    if not data.exists():
        raise UsageError(f"--data {data}: no such file or folder")
    refuse_data_options(overrides, "an experiment's YAML in --data")
    try:
        samples = read_labelled(data, classifier.spec)
        return _evaluate(classifier.with_overrides(overrides), samples, "all", clock, tta)
    except BadImage as bad:
        raise DataError(f"{bad}; mend or remove it, since a score is of all samples or of none") from None


def _show(evaluation: Evaluation, model: str, source: str, seconds: float) -> None:
    say(f"{source} on {evaluation.split}: {evaluation.samples:,} samples in {seconds:.2f} s")
    say()
    classes, ends = evaluation.classes, evaluation.intervals.metrics
    told = telling(evaluation.metrics, len(classes)).items()
    say(columns([(name, value, between(ends.get(name))) for name, value in told], ("metric", "value", "95 % interval")))
    if evaluation.best:
        say(f"\n{possible(evaluation.best.as_json())}")
    say()
    if table := compared(model, evaluation.metrics, evaluation.baselines, ends.get("accuracy")):
        say(f"{table}\n")
    if line := calibrated(evaluation.metrics, evaluation.calibration()):
        say(f"{line}\n")
    ranked = sorted(classes, key=lambda name: (classes[name]["f1"] != classes[name]["f1"], classes[name]["f1"]))
    if len(classes) <= CLASSES_SHOWN:
        say(_class_rows(classes, classes))
    elif len(classes) <= 2 * CLASSES_SHOWN:
        say(f"the {len(classes)} classes, lowest F1 first\n{_class_rows(classes, ranked)}")
    else:
        known = [name for name in ranked if classes[name]["f1"] == classes[name]["f1"]]  # NaN is not equal to itself
        say(f"the {CLASSES_SHOWN} classes with the lowest F1 of {len(classes):,}")
        say(_class_rows(classes, ranked[:CLASSES_SHOWN]))
        say(f"\nthe {CLASSES_SHOWN} classes with the highest F1")
        say(_class_rows(classes, known[: -CLASSES_SHOWN - 1 : -1]))
    _show_mistakes(evaluation)


def _class_rows(classes: Mapping[str, Mapping[str, float]], names: Iterable[str]) -> str:
    shown = ("precision", "recall", "f1", "support")
    return columns([(name, *(classes[name][column] for column in shown)) for name in names], ("class", *shown), LONGEST)


def _show_mistakes(evaluation: Evaluation) -> None:
    if pairs := evaluation.confused:
        say("\nconfused most often")
        rows = [(pair.true, pair.predicted, pair.samples, percent(pair.share)) for pair in pairs[:LISTED]]
        say(columns(rows, ("class", "predicted as", "samples", "of the class"), LONGEST))
    if suspects := evaluation.label_errors:
        more = f", of {len(suspects)} the {LISTED} most certain" if len(suspects) > LISTED else ""
        say(f"\nlabels that the model contradicts with confidence: look at these{more}")
        listed = [(each.id, each.given, each.predicted, each.probability) for each in suspects[:LISTED]]
        say(columns(listed, ("sample", "label", "predicted", "probability"), LONGEST))
