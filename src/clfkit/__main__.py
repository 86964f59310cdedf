"""The entry point of the command line."""

from __future__ import annotations

import os
import sys

from clfkit.errors import ClfkitError, ConfigError


def main() -> None:
    """Run the command in sys.argv. Expected errors become one line on standard error and an exit code."""
    from clfkit.cli.app import app, lone_resume
    from clfkit.cli.terminal import complain

    sys.argv[1:] = lone_resume(sys.argv[1:])
    try:
        app()
    except ClfkitError as error:
        complain(str(error) if isinstance(error, ConfigError) else f"clfkit: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        complain("clfkit: stopped at once")
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has gone, as with `clfkit list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


if __name__ == "__main__":
    main()
