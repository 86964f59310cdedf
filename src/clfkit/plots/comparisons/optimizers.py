"""The same experiment under several optimizers: loss and accuracy over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Literal

import numpy as np

from clfkit import components
from clfkit.axes import Values
from clfkit.classifier import Classifier
from clfkit.components import comparisons
from clfkit.plots import NothingToDraw
from clfkit.plots._epochs import Scale, draw_curve, known_values, mark_epochs, neighbours, spans_decades
from clfkit.plots.comparisons._likeness import differences, place
from clfkit.plots.comparisons._names import told_apart, with_options
from clfkit.plots.style import COLOURS, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COMPARED = ("train.optimizer", "train.schedule")
NEEDED = ("data", "model", "train.loss")
LINES = ("solid", "dashed", "dotted", "dashdot")
NAME_LENGTH, NAME_WIDTH = 160, 40  # characters of a name in the legend, and of one line of it
CHARACTER, LINE = 0.085, 0.23  # inches that a character and a line of the legend take, about


@comparisons.register("optimizers")
def optimizers(
    classifiers: Sequence[Classifier],
    *,
    loss: Literal["train", "valid"] = "train",
    accuracy: Literal["auto", "train", "valid"] = "auto",
    epochs: Scale = "linear",
) -> Figure:
    """Loss and accuracy of every epoch under several optimizers, one colour a run, named with its options.

    The runs should be one experiment with other optimizers and schedules. With another dataset, model or loss
    function the curves would show the task and not the optimizer, so such runs are refused. What else differs (say
    the batch size or the number of epochs) can be what one wants to see, so it is drawn, written below the curves,
    and given as an UnlikeRuns warning.

    The loss axis is logarithmic when losses lie more than a factor of 20 apart. With more than 2,000 epochs lines
    are means of neighbouring epochs, and bands reach from the lowest to the highest of them.

    Raises NothingToDraw for a run without history, or without the split that is asked for; UsageError.

    Options:
        loss: the split whose loss is drawn; train is what the optimizers minimise.
        accuracy: the split whose accuracy is drawn; `auto` for valid, or train when a run has no valid split.
        epochs: axis of the epochs; log spreads the first ones, where optimizers often differ most.
    """
    from matplotlib.figure import Figure

    note = differences(classifiers, compared=COMPARED, needed=NEEDED)
    if accuracy == "auto":
        known = all(each.records and each.records[0].valid_accuracy is not None for each in classifiers)
        accuracy = "valid" if known else "train"
    names = _legend(classifiers)
    losses = [_curve(classifier, f"{loss}.loss") for classifier in classifiers]
    shares = [_curve(classifier, f"{accuracy}.accuracy") for classifier in classifiers]
    written = "\n".join(names).split("\n")
    figure = Figure(figsize=(9.0 + CHARACTER * max(map(len, written)), max(4.2, LINE * len(written))))
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    _draw(loss_axes, losses, names, epochs)
    loss_axes.set_title(f"{loss.capitalize()} loss")
    if spans_decades([float(value) for _, values in losses for value in values if value > 0], 20):
        loss_axes.set_yscale("log", nonpositive="clip")
        loss_axes.set_title(f"{loss.capitalize()} loss (logarithmic)")
    _draw(accuracy_axes, shares, names, epochs)
    accuracy_axes.set_title(f"{accuracy.capitalize()} accuracy")
    figure.legend(*loss_axes.get_legend_handles_labels(), loc="outside right center")
    if note:
        figure.supxlabel(fill(label(note[0].upper() + note[1:], 300), 120), fontsize="small")
    config = classifiers[0].config
    figure.suptitle(f"Optimizers on {label(config.data.name, 40)} with {label(config.model.name, 40)}")
    return figure


def _legend(classifiers: Sequence[Classifier]) -> list[str]:
    """What the legend says of each run, perhaps in several lines."""
    names = told_apart(classifiers, [_described(classifier) for classifier in classifiers])
    return [_in_lines(label(name, NAME_LENGTH)) for name in names]


def _described(classifier: Classifier) -> str:
    """The optimizer with its rate and whatever else was chosen, and the schedule if there is one."""
    train = classifier.config.train
    optimizer = with_options(components.optimizers, train.optimizer, always=["lr"])
    schedule = with_options(components.schedules, train.schedule)
    return optimizer if schedule == components.schedules.default else f"{optimizer}, schedule {schedule}"


def _in_lines(name: str) -> str:
    """A name broken at commas alone, so that an option stays beside its value."""
    together = name.replace(" ", "\N{NO-BREAK SPACE}").replace(",\N{NO-BREAK SPACE}", ", ")
    return fill(together, NAME_WIDTH).replace("\N{NO-BREAK SPACE}", " ")


def _curve(classifier: Classifier, metric: str) -> tuple[Values, Values]:
    """Epochs and values of a metric, where it is known. Raises NothingToDraw."""
    if not classifier.records:
        raise NothingToDraw(f"{place(classifier)} has no history: no epoch is finished yet")
    epochs, values = known_values(classifier.records, metric)
    if not len(values):
        raise NothingToDraw(f"{place(classifier)} has no {metric}: it was trained without a valid split")
    return epochs, values


def _draw(axes: Axes, curves: Sequence[tuple[Values, Values]], names: Sequence[str], scale: Scale) -> None:
    """One line for each run, all smoothed alike."""
    longest = max(len(values) for _, values in curves)
    starts = neighbours(longest, scale)
    for at, ((epochs, values), name) in enumerate(zip(curves, names, strict=True)):
        colour, line = COLOURS[at % len(COLOURS)], LINES[at // len(COLOURS) % len(LINES)]
        draw_curve(axes, epochs, values, starts, colour=colour, line=line, name=name)
    last = int(max(epochs[-1] for epochs, _ in curves))
    mark_epochs(axes, last, int(np.diff([*starts, longest]).max()), scale)
