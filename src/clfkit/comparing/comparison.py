"""Several runs compared: what differs, their metrics, and for each a verdict beside the one they are measured by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clfkit.comparing.paired import compare_all, holm
from clfkit.comparing.runs import ComparedRun
from clfkit.comparing.samples import Answers, answers, unlike
from clfkit.comparing.verdicts import Verdict
from clfkit.config import FREE_OPTIONS, differing_options
from clfkit.data.bundle import PARTS, Part
from clfkit.errors import RunError, UsageError
from clfkit.evaluation import RESAMPLING_SEED
from clfkit.history import oriented
from clfkit.wording import closest, in_table, shown

WITHOUT_EFFECT = {"plots", *FREE_OPTIONS} - {"data.root"}
"""Options that no result depends on. Where files are may well tell which ones they are, so it is none of them here."""

Row = tuple[str, tuple[object, ...]]
"""What is compared, and its value for each run; None for what is not known."""
FEW = 4  # verdicts that are told at length
NOT_SET = shown(None)  # as `differing_options` gives it
ORDERS = {"seconds": "training, seconds", "epochs": "epochs", "parameters": "parameters"}
"""What runs are sorted by beside their metrics and their `name`, and the row of costs that it is: the least first."""


@dataclass(frozen=True)
class Comparison:
    """Runs in their order on one split.

    against: the run that the others are measured by, None where fewer than two can be tested. chosen: it is the best of
    them, and nobody named it. unlike: why a run was not compared sample by sample, by its name. order: the split and
    the metric that the runs are sorted by, if any. least: the row of costs that they are sorted by, if any.
    """

    runs: tuple[ComparedRun, ...]
    split: Part
    against: ComparedRun | None
    chosen: bool
    verdicts: tuple[Verdict, ...]
    unlike: dict[str, str]
    order: tuple[Part, str] | None = None
    least: str | None = None

    @property
    def findings(self) -> list[str]:
        """The verdicts in plain words, below each of a few what it rests on; then why runs were not tested."""
        reasons = [[] if self.many else [f"  {verdict.reason}"] for verdict in self.verdicts]
        lines = [line for verdict, own in zip(self.verdicts, reasons, strict=True) for line in (verdict.sentence, *own)]
        return [*lines, *([f"({self.correction})"] if self.verdicts else []), *self.untested, *self.unfinished]

    @property
    def many(self) -> bool:
        """Whether there are too many verdicts to give each of them room."""
        return len(self.verdicts) > FEW

    @property
    def correction(self) -> str:
        """How the tests were made, and what was done about their number."""
        test = f"accuracies by McNemar's exact test on {self.verdicts[0].samples:,} {self.split} samples"
        tests = self.verdicts[0].tests
        if tests == 1:
            return test
        why = (
            f"for all {tests} pairs, since {self.against.name} was picked by its result"
            if self.chosen and self.against
            else f"for {tests} tests against the baseline"
        )
        return f"{test}; p-values corrected {why}, by Holm's method"

    @property
    def untested(self) -> list[str]:
        """Why runs were not compared sample by sample, a line each."""
        return [f"{name} {reason}" for name, reason in self.unlike.items()]

    @property
    def unfinished(self) -> list[str]:
        """Which of the runs that were evaluated had not come to their end, a line each."""
        states = {run.name: run.progress for run in self.runs if self.split in run.evaluations}
        return [
            f"note: {name} is {state}; what it is worth is that of its best epoch until then"
            for name, state in states.items()
            if state not in ("finished", "trained")
        ]

    @property
    def options(self) -> list[Row]:
        """The options in which the runs differ; of a group that some have not set, the options in it alone."""
        return [(key, values) for key, values in self._differing if key not in WITHOUT_EFFECT]

    @property
    def without_effect(self) -> list[Row]:
        """Those that no result depends on: what is drawn or kept, and how samples are read."""
        return [(key, values) for key, values in self._differing if key in WITHOUT_EFFECT]

    @property
    def _differing(self) -> list[Row]:
        found = differing_options([run.config for run in self.runs])
        unset = {key for key, values in found.items() if {None, NOT_SET} >= set(values)}
        groups = {key for key in unset if any(other.startswith(f"{key}.") for other in found)}
        return [(key, tuple(map(in_table, values))) for key, values in found.items() if key not in groups]

    @property
    def environments(self) -> list[Row]:
        """Machine, versions and automatic decisions, where they differ."""
        each = [_flat(run.directory.environment() or {}) for run in self.runs]
        rows = [(key, tuple(one.get(key) for one in each)) for key in dict.fromkeys(key for one in each for key in one)]
        return [(key, values) for key, values in rows if len(set(values)) > 1]

    @property
    def splits(self) -> list[Part]:
        """The splits that some run was evaluated on, that of the comparison first."""
        return sorted(
            (part for part in PARTS if any(part in run.evaluations for run in self.runs)),
            key=lambda part: part != self.split,
        )

    def metrics(self, split: str) -> list[tuple[str, tuple[float | None, ...]]]:
        """Every metric that some run has and that says something, accuracy first. top5 is always 1 of five classes."""
        classes = max(
            (len(run.evaluations[split]["classes"]) for run in self.runs if split in run.evaluations), default=0
        )
        names = [name for name in metric_names(self.runs, split) if name != "top5" or classes > 5]
        rows = [(name, tuple(run.metric(split, name) for run in self.runs)) for name in names]
        return [(name, values) for name, values in rows if set(values) != {None}]

    @property
    def costs(self) -> list[Row]:
        """Time and throughput of each run; what is the same for all and says nothing is left out."""
        each = [run.costs for run in self.runs]
        rows = [(key, tuple(one[key] for one in each)) for key in each[0]]
        return [(key, values) for key, values in rows if set(values) not in ({None}, {"finished"})]


def compare(
    runs: Sequence[ComparedRun], split: Part, baseline: ComparedRun | None = None, sort: str | None = None
) -> Comparison:
    """Put runs side by side, and test those that were scored on the same samples.

    Each is tested against the baseline; by default against the most accurate run, which is then itself picked by the
    result, so that p-values are corrected for all pairs and not for those shown alone. Of runs on several test sets the
    largest group is tested. sort: `test.accuracy`, or a metric of `split`, the best first; or `name` or one of ORDERS.
    Raises UsageError for a metric that no run has, RunError for damaged predictions.
    """
    least = ORDERS.get(sort or "")
    order = _order(runs, split, sort) if sort and sort != "name" and not least else None
    ordered = _sorted(runs, order, least) if sort else list(runs)
    given = [found for run in ordered if (found := answers(run, split))]
    start = next((each for each in given if each.run is baseline), None)
    if baseline is not None and start is None:
        raise RunError(f"{baseline.directory.path} is the baseline and {_unevaluated(baseline, split)}")
    group, reasons = _group(given, split) if start is None else _like(start, given, split)
    reasons |= {run.name: _unevaluated(run, split) for run in ordered if all(run is not each.run for each in given)}
    if len(group) < 2:
        return Comparison(tuple(ordered), split, None, start is None, (), reasons, order, least)
    against, verdicts = _verdicts(group, start)
    return Comparison(tuple(ordered), split, against, start is None, verdicts, reasons, order, least)


def metric_names(runs: Sequence[ComparedRun], split: str) -> list[str]:
    """The metrics of a split, accuracy first."""
    names = {name for run in runs for name in run.evaluations.get(split, {}).get("metrics", {})}
    return sorted(names, key=lambda name: (name != "accuracy", name))


def _sorted(runs: Sequence[ComparedRun], order: tuple[Part, str] | None, least: str | None) -> list[ComparedRun]:
    """By a metric, the best first, or by a row of costs, or by name; runs that lack it come last."""

    def cost(run: ComparedRun) -> tuple[bool, float]:
        value = run.costs[least or ""]
        return (False, value) if isinstance(value, (int, float)) else (True, 0.0)

    if order is not None:
        return sorted(runs, key=lambda run: oriented(".".join(order), run.metric(*order)), reverse=True)
    return sorted(runs, key=cost) if least else sorted(runs, key=lambda run: run.name)


def _order(runs: Sequence[ComparedRun], split: Part, sort: str) -> tuple[Part, str]:
    """The split and the metric that `test.accuracy` or `accuracy` means. Raises UsageError."""
    known = {f"{part}.{name}": (part, name) for part in PARTS for name in metric_names(runs, part)}
    wanted = sort if "." in sort else f"{split}.{sort}"
    if wanted not in known:
        near = closest(sort, ["name", *ORDERS]) or closest(wanted, known)
        hint = f"did you mean {near}?" if near else f"they have {', '.join(known) or 'none, for none was evaluated'}"
        raise UsageError(f"--sort {sort}: not a metric of these runs; {hint}")
    return known[wanted]


def _group(given: Sequence[Answers], split: str) -> tuple[list[Answers], dict[str, str]]:
    """The largest group of runs that were scored on the same samples, and why the others are not in it."""
    best: tuple[list[Answers], dict[str, str]] = ([], {})
    grouped: set[str] = set()
    for start in given:
        if start.run.name not in grouped:
            found = _like(start, given, split)
            grouped |= {each.run.name for each in found[0]}
            best = max(best, found, key=lambda each: len(each[0]))
    return best


def _like(start: Answers, given: Sequence[Answers], split: str) -> tuple[list[Answers], dict[str, str]]:
    """The runs that were scored on the samples of one of them, and why the others were not."""
    reasons = {each.run.name: unlike(start, each, split) for each in given}
    group = [each for each in given if reasons[each.run.name] is None]
    return group, {
        name: f"is not compared sample by sample with {start.run.name}: {reason}"
        for name, reason in reasons.items()
        if reason
    }


def _verdicts(group: Sequence[Answers], start: Answers | None) -> tuple[ComparedRun, tuple[Verdict, ...]]:
    """The run that the others are measured by, and what is found of each."""
    places = [each.in_order_of(group[0]) for each in group]
    right = np.stack([each.right()[at] for each, at in zip(group, places, strict=True)])
    pairs = compare_all(right, RESAMPLING_SEED)
    best = int(right.sum(axis=1).argmax())
    against = best if start is None else group.index(start)
    others = [at for at in range(len(group)) if at != against]
    if start is None:  # the best of all is measured by all
        shown = [(against, other) for other in others]
        tested = [(one, two) if two != against else (two, one) for one in range(len(group)) for two in range(one)]
    else:
        shown = tested = [(other, against) for other in others]
    adjusted = dict(zip(tested, holm([pairs[pair].p for pair in tested]), strict=True))
    names, samples = [each.run.name for each in group], right.shape[1]
    return group[against].run, tuple(
        Verdict(names[first], names[second], pairs[first, second], samples, adjusted[first, second], len(tested))
        for first, second in shown
    )


def _unevaluated(run: ComparedRun, split: str) -> str:
    """What keeps a run from being tested, and what to do about it."""
    kept = "no predictions" if split in run.evaluations else "no evaluation"
    path = run.directory.path
    if run.status.get("status") == "running":
        return f"has {kept} of {split} yet: it is {run.progress}"
    state = "" if run.status.get("status") == "finished" else f"; it is {run.progress}"
    return f"has {kept} of {split}{state}; run: clfkit eval --checkpoint {path} --split {split}"


def _flat(environment: dict[str, object]) -> dict[str, str]:
    """What of an environment may bear on results and time, by one key each."""
    libraries, decisions = environment.get("libraries", {}), environment.get("decisions", {})
    single = {key: environment.get(key) for key in ("clfkit", "python", "platform")}
    groups = [group for group in (libraries, decisions) if isinstance(group, dict)]
    merged = {key: value for group in (single, *groups) for key, value in group.items()}
    return {key: str(value) for key, value in merged.items() if value is not None}
