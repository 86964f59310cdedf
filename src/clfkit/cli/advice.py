"""What to do about data that cannot be read, said with what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clfkit.errors import BadImage, DataError


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
