"""How the end of a run is remembered, whatever ends it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from clfkit.errors import ClfkitError, Interrupted, RunError
from clfkit.run import RunDirectory
from clfkit.timing import Stopwatch


@contextmanager
def remembered(run: RunDirectory, clock: Stopwatch) -> Iterator[None]:
    """Whatever happens to a run meanwhile, the status says how it ended."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        with suppress(RunError):  # a full disk must not hide what went wrong first
            run.set_status("interrupted", timing=clock.rounded())
        raise
    except ClfkitError as error:
        samples = getattr(error, "samples", None) or None
        with suppress(RunError):
            run.set_status("failed", reason=str(error), samples=samples, timing=clock.rounded())
        raise


@contextmanager
def interruptions_remembered(run: RunDirectory) -> Iterator[None]:
    """While a run is looked at that may go on, a signal alone is remembered, and not of one that is finished."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        with suppress(RunError):
            if run.status()["status"] != "finished":
                run.set_status("interrupted")
        raise


def removing(run: RunDirectory) -> Callable[[type[BaseException] | None, object, object], None]:
    """What removes the run when it fails; who stops it wants to go on some time."""

    def remove(kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is not None and not issubclass(kind, KeyboardInterrupt):
            shutil.rmtree(run.path, ignore_errors=True)

    return remove
