"""What is wrong with data or with options on them, said with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from clfkit.errors import BadImage, DataError, UsageError
from clfkit.wording import printable


@contextmanager
def images_of_experiment() -> Iterator[None]:
    """An image of an experiment's data that cannot be decoded is told with what to do about it. Raises DataError."""
    try:
        yield
    except BadImage as bad:
        remedy = (
            "`clfkit check-data` lists them all, data.on_bad_sample: skip leaves out as many as data.max_bad allows"
        )
        raise DataError(f"{bad}; {remedy}") from None


def refuse_data_options(overrides: Sequence[str], where: str) -> None:
    """Samples that are given as files are read as the model needs them. Raises UsageError for options of `data`.

    where: what such options do have an effect on.
    """
    for text in overrides:
        if text.partition("=")[0].strip().partition(".")[0] == "data":
            raise UsageError(f"--set {printable(text)}: has no effect on samples given as files, only on {where}")
