"""clfkit predict: classes of new samples, as CSV."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from clfkit.cli.advice import refuse_data_options
from clfkit.cli.arguments import CHECKPOINT, Overrides, Plugins, RunsRoot, TestTimeViews
from clfkit.cli.terminal import complain, say
from clfkit.errors import BadImage, DataError, UsageError


def predict(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT…", help="Images, folders of images, table.csv or x.npz.", show_default=False),
    ],
    checkpoint: Annotated[str | None, CHECKPOINT] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.csv", help="Where to write; by default standard output."),
    ] = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Add a column for every class.")] = False,
    root: RunsRoot = Path("outputs"),
    tta: TestTimeViews = None,
    calibrated: Annotated[
        bool, typer.Option("--calibrated", help="Probabilities at the temperature that was fitted on valid.")
    ] = False,
    overrides: Overrides = [],
    plugin: Plugins = [],
) -> None:
    """Predict the class of new samples: one CSV row each with sample, predicted class and probability.

    An image that cannot be read has its row too, with the reason under `error`, a column that is there when needed.
    """
    from clfkit.classifier import load
    from clfkit.data.files import read_sound
    from clfkit.progress import listener
    from clfkit.reporting import heard_by

    if checkpoint is None:
        raise UsageError("which run? clfkit predict --checkpoint RUN INPUT…; `latest` is the newest one")
    if calibrated and tta is not None:
        raise UsageError(
            "--calibrated: the temperature is that of the model's own probabilities, not of the mean over --tta"
        )
    refuse_data_options(overrides, "data of an experiment, by `clfkit eval`")
    classifier = load(checkpoint, root).with_overrides(overrides)
    views, temperature = classifier.views(tta), classifier.temperature if calibrated else None
    for path in inputs:
        if not path.exists() and not path.is_symlink():
            raise UsageError(f"{path}: no such file or folder")
    with heard_by(listener(quiet=False)):
        samples, ids, bad = read_sound(inputs, classifier.spec)
    scores = views.predict(classifier.engine, samples) if views else classifier.engine.predict(samples)
    best = scores.argmax(axis=1)
    if temperature is not None:
        from clfkit.calibration import tempered

        scores = tempered(scores, temperature)
    header = ["sample", "predicted", "probability", *(classifier.classes if probabilities else ())]
    answers = (
        [classifier.classes[label], f"{row[label]:.6f}", *(f"{p:.6f}" for p in row if probabilities)]
        for label, row in zip(best, scores, strict=True)
    )
    _put_out(_table(header, ids.tolist(), answers, bad), out)
    if out is not None:
        complain(f"{len(best):,} predictions in {out}")
    if bad:
        raise DataError(f"{len(bad):,} of {len(ids):,} images cannot be read; the column «error» says why")


def _table(header: list[str], names: Iterable[str], answers: Iterator[list[str]], bad: Mapping[int, BadImage]) -> str:
    """CSV with a row for each sample: what was answered, or the reason under `error` where it is among the bad ones."""
    gap = [""] * (len(header) - 1)
    rows = (
        [name, *gap, bad[at].reason] if at in bad else [name, *next(answers), *([""] if bad else [])]
        for at, name in enumerate(names)
    )
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([header + ["error"] * bool(bad), *rows])
    return table.getvalue()


def _put_out(text: str, out: Path | None) -> None:
    """Write a table to a file, to a terminal with names made visible, or to standard output as it is."""
    if out is None and sys.stdout.isatty():
        say(text.rstrip("\n"))
        return
    content = text.encode("utf-8", "surrogateescape")  # names of files as they are, in UTF-8 or not
    if out is None:
        sys.stdout.buffer.write(content)
        return
    from clfkit.storage import write_atomically

    write_atomically(out, content)
