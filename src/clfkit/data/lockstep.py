"""Several pieces of work taken in step: each step by all of them before the next one."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TypeVar

from clfkit.errors import DataError

Result = TypeVar("Result")
Steps = Generator[None, None, Result]
"""A piece of work that pauses between its steps."""


def in_step(works: Sequence[Steps[Result]]) -> list[Result]:
    """What these pieces of work return, in their order; one that has fewer steps is there earlier.

    What a step needs (the code of a decoder, of an interpreter) is in a processor's caches when it is taken again at
    once, and gone when other steps came between. Raises the DataError of the first in order that raises one.
    """
    results: dict[int, Result] = {}
    failure: DataError | None = None
    going = list(enumerate(works))
    try:
        while going:
            paused = []
            for place, work in going:
                try:
                    next(work)
                    paused.append((place, work))
                except StopIteration as end:
                    results[place] = end.value
                except DataError as error:
                    failure = error  # those behind it matter no more, those before it may fail yet
                    break
            going = paused
    finally:
        for work in works:
            work.close()  # whatever ended it: they may hold files
    if failure is not None:
        raise failure
    return [results[place] for place in range(len(works))]


def finished(work: Steps[Result]) -> Result:
    """What one piece of work returns."""
    return in_step([work])[0]
