"""Whether several runs are of the same experiment."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from clfkit.classifier import Classifier
from clfkit.config import FREE_OPTIONS, changed_options
from clfkit.errors import UsageError
from clfkit.plots.comparisons import UnlikeRuns

INCIDENTAL = (
    *FREE_OPTIONS, "name", "seed", "data.seed", "engine", "plots", "train.checkpoint_every", "train.device",
    "train.threads", "train.deterministic",
)  # fmt: skip
"""Options that say how, where and from which draw an experiment was run, not which experiment it was."""

NAMED = 3  # differing options that a message spells out


def differences(classifiers: Sequence[Classifier], *, compared: Sequence[str], needed: Sequence[str]) -> str:
    """In what the runs differ from the first one, beyond what is `compared`: a sentence, empty if in nothing.

    It is given as an UnlikeRuns warning too. `compared` and `needed` hold dotted keys that stand for all below them.
    Raises UsageError when the runs differ in what is `needed` to be the same.
    """
    first = classifiers[0]
    differing: dict[str, None] = {}
    for other in classifiers[1:]:
        changes = {change.split(": ")[0]: change for change in changed_options(first.config, other.config)}
        telling = [key for key in changes if not _below(key, (*INCIDENTAL, *compared))]
        fatal = [changes[key] for key in telling if _below(key, needed)]
        if fatal:
            raise UsageError(f"{place(first)} and {place(other)} do not compare; they differ in {_listed(fatal, '; ')}")
        differing |= dict.fromkeys(telling)
    parts = [_listed(list(differing), ", ")] if differing else []
    if len({classifier.checkpoint.fingerprint for classifier in classifiers}) > 1:
        parts.append("their samples or split (data.seed, by default seed, draws them)")
    if not parts:
        return ""
    sentence = f"the runs also differ in {' and in '.join(parts)}"
    warnings.warn(sentence, UnlikeRuns, stacklevel=2)
    return sentence


def place(classifier: Classifier) -> str:
    """Where a run is, for messages."""
    return str(classifier.run.path) if classifier.run else f"a checkpoint of {classifier.config.name}"


def _below(key: str, prefixes: Sequence[str]) -> bool:
    return any(key == prefix or key.startswith(f"{prefix}.") for prefix in prefixes)


def _listed(items: Sequence[str], separator: str) -> str:
    more = f" and {len(items) - NAMED} more" if len(items) > NAMED else ""
    return separator.join(items[:NAMED]) + more
