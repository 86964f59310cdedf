"""From trained models to a finished run that stands for all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clfkit.checkpoint import Checkpoint
from clfkit.classifier import Classifier
from clfkit.config import config_from_plain
from clfkit.data.bundle import DataBundle
from clfkit.ensembles.members import Member, unlike_split
from clfkit.ensembles.probabilities import as_checkpoint
from clfkit.ensembles.weights import average_of_snapshots, greedy_soup
from clfkit.environment import environment
from clfkit.errors import UsageError
from clfkit.evaluation import Evaluation, evaluate_held_out, save_evaluation
from clfkit.metrics import Predictions, score
from clfkit.run import RunDirectory

Scores = dict[str, dict[str, float]]
"""{part: {metric: value}}; without a loss for members, whose losses may differ."""


@dataclass(frozen=True)
class Joined:
    """What became of joining: the run, and how members and whole score. No scores where they would not be honest.

    left_out: members whose weights would have lowered the accuracy on valid.
    """

    run: RunDirectory
    members: dict[str, Scores]
    scores: Scores
    warning: str | None = None
    left_out: tuple[str, ...] = ()


def join_probabilities(
    members: Sequence[Member], out: Path, name: str | None, run_id: str | None, *, force: bool = False
) -> Joined:
    """Average the probabilities of the members, score each and the whole on valid and test, keep it as a run.

    Raises UsageError for members that were trained with different splits; with `force` they are joined, unscored.
    ConfigError for a name that is no folder's.
    """
    chosen = _name(members, name, "-ensemble")
    reason = unlike_split(members)
    if reason is not None and not force:
        raise UsageError(f"{reason}; --force joins them without a score")
    return keep(as_checkpoint(members, chosen, honest=reason is None), members, out, run_id, reason)


def join_weights(members: Sequence[Member], out: Path, name: str | None, run_id: str | None) -> Joined:
    """Average the weights: of one run's snapshots all, of several runs those that go together (`greedy_soup`).

    Raises UsageError for members that were trained with different splits, since data are needed to choose and to
    measure statistics of batch norm, and for those whose weights cannot be averaged. ConfigError for a name that is no
    folder's.
    """
    chosen = _name(members, name, "-average")
    reason = unlike_split(members)
    if reason is not None:
        raise UsageError(reason)
    runs = {member.classifier.run for member in members}
    if len(runs) == 1 and None not in runs:
        checkpoint, used = average_of_snapshots(members), list(members)
    else:
        checkpoint, used = greedy_soup(members)
    config = checkpoint.config.model_copy(update={"name": chosen})
    joined = keep(dataclasses.replace(checkpoint, config=config), members, out, run_id)
    return dataclasses.replace(joined, left_out=tuple(each.name for each in members if each not in used))


def _name(members: Sequence[Member], name: str | None, suffix: str) -> str:
    """The name of the whole, by default the first member's and a suffix. Raises ConfigError if it names no folder."""
    first = members[0].classifier.config
    chosen = name or f"{first.name}{suffix}"
    return config_from_plain({**first.plain(), "name": chosen}, "--name").name


def keep(
    checkpoint: Checkpoint, members: Sequence[Member], out: Path, run_id: str | None, reason: str | None = None
) -> Joined:
    """Score a model that was joined from members, and write it as a finished run.

    reason: why it cannot be scored. Nothing is written before all is computed.
    """
    classifier = Classifier(checkpoint, checkpoint.config)
    engine = classifier.engine  # fits, or raises
    results: list[Evaluation] = []
    scores: dict[str, Scores] = {}
    if reason is None:
        bundle = members[0].classifier.bundle
        results = evaluate_held_out(engine, bundle, checkpoint.class_counts)
        scores = {each.name: score_member(each, bundle, [result.split for result in results]) for each in members}
    run = RunDirectory.create(out, checkpoint.config, run_id)
    with run.lock():
        temperature = results[0].temperature if results else None
        run.save_checkpoint("best", dataclasses.replace(checkpoint, temperature=temperature))
        run.write_environment(environment(engine.decisions))
        for evaluation in results:
            save_evaluation(run, evaluation)
        accuracies: dict[str, Any] = {f"{each.split}.accuracy": each.metrics["accuracy"] for each in results}
        run.set_status("finished", members=[each.name for each in members], **accuracies)
    return Joined(run, scores, {each.split: each.metrics for each in results}, reason)


def score_member(member: Member, bundle: DataBundle, parts: Sequence[str]) -> Scores:
    """The metrics of one member alone."""
    scores: Scores = {}
    counts, classes = bundle.train.counts(len(bundle.spec.classes)), bundle.spec.classes
    for part in parts:
        split = getattr(bundle, part)
        predictions = Predictions(split.labels, member.predict(split.inputs), classes, float("nan"), counts)
        scores[part] = {name: value for name, value in score(predictions).items() if name != "loss"}
    return scores
