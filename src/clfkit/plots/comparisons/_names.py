"""Names that tell runs apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from clfkit.classifier import Classifier
from clfkit.registry import Component, Registry, plain

FURTHER: tuple[Callable[[Classifier], str], ...] = (
    lambda classifier: f"engine {classifier.config.engine.name}",
    lambda classifier: f"seed {classifier.config.seed}",
    lambda classifier: classifier.config.name,
    lambda classifier: f"run {classifier.run.id}" if classifier.run else "",
)
"""What is added to names that are equal, as far as it differs: engine, seed, experiment, run id."""


def told_apart(classifiers: Sequence[Classifier], names: Sequence[str]) -> list[str]:
    """A name for each run: its own where no other has it, else with as much added as tells them apart.

    Runs that nothing tells apart get their number in the row.
    """
    result = list(names)
    for further in FURTHER:
        added = [further(classifier) for classifier in classifiers]
        choices = {name: {a for a, n in zip(added, result, strict=True) if n == name} for name in result}
        result = [
            f"{name}, {more}" if more and len(choices[name]) > 1 else name
            for more, name in zip(added, result, strict=True)
        ]
    counts = Counter(result)
    return [f"{name} ({number})" if counts[name] > 1 else name for number, name in enumerate(result, 1)]


def with_options(registry: Registry[Any], component: Component[Any], always: Sequence[str] = ()) -> str:
    """A component as `sgd lr 0.1, momentum 0.9`: its name, and the options that are not at their default.

    always: options that are named even so, first of all; its own come before those that all of its kind have.
    """
    entry = registry.entry(component.name)
    fields = entry.options.model_fields
    values = {key: getattr(component.options, key) for key in (*always, *entry.own, *fields)}
    chosen = [
        f"{key} {_value(value)}"
        for key, value in values.items()
        if key in always or value != fields[key].get_default(call_default_factory=True)
    ]
    return " ".join([component.name, ", ".join(chosen)]).rstrip()


def _value(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(plain(value)).lower()
