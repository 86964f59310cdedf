"""The entry point of the command line."""

from __future__ import annotations

import os
import sys
import warnings

from clfkit.errors import ClfkitError, ConfigError

PATIENCE = {"GOMP_SPINCOUNT": "1000", "OPENBLAS_THREAD_TIMEOUT": "8"}
"""How long a thread that waits for others keeps its core busy: some microseconds. By default it is milliseconds, which
gains nothing while the machine is idle, and makes a step ten times longer as soon as another process wants a core."""
STOPPED = (130, 138, 143)
"""Exit codes of a command that SIGINT, SIGUSR1 or SIGTERM has stopped."""


def program() -> None:
    """Be the process: run the command, then end.

    One of several processes ends without the interpreter's own end: there, threads of torch's network are at times
    taken down while they run, and a training that is over would end with an abort. So does one that a signal has
    stopped: the interpreter would wait for threads, such as one that waits for an answer from the network.
    """
    try:
        main()
    except SystemExit as end:
        several = os.environ.get("WORLD_SIZE", "1") != "1" and "torch" in sys.modules
        if several or end.code in STOPPED:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))
        raise


def main() -> None:
    """Run the command in sys.argv. Expected errors become one line on standard error and an exit code."""
    for library_limit, value in PATIENCE.items():  # read when the libraries are loaded, which is later
        os.environ.setdefault(library_limit, value)
    warnings.filterwarnings("ignore", module=r"PIL\.", append=True)  # they name no file; what is wrong with one is told
    from clfkit.cli.app import app, lone_resume
    from clfkit.cli.terminal import complain

    sys.argv[1:] = lone_resume(sys.argv[1:])
    try:
        app()
    except ClfkitError as error:
        complain(str(error) if isinstance(error, ConfigError) else f"clfkit: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt as stop:
        complain("clfkit: stopped at once")
        sys.exit(128 + getattr(stop, "number", 2))  # see clfkit.interruption.Stopped
    except BrokenPipeError:  # the reader of our output has gone, as with `clfkit list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


if __name__ == "__main__":
    program()
