"""A folder that one process at a time writes into."""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from clfkit.errors import RunError
from clfkit.storage import lives, write_json

LOCK = ".lock"
OWNER = ".owner.json"
"""Which process holds the lock, or held it last. The lock itself is the system's: it goes with its process."""
PATIENCE = 1.0
"""Seconds to wait for a lock that no living process has put its name to: `is_free` holds it for an instant."""


def locked(folder: Path) -> AbstractContextManager[object]:
    """The lock of a folder, held from now on. Raises RunError naming the process that holds it."""
    lock, patient_until = FileLock(folder / LOCK), time.monotonic() + PATIENCE
    held: AbstractContextManager[object] | None = None
    while held is None:
        try:
            held = lock.acquire(timeout=0)  # entering the lock itself would acquire it a second time
        except Timeout:
            if _is_owned(folder) or time.monotonic() > patient_until:
                raise RunError(
                    f"{folder} is in use by {_named(_owner(folder))}; wait for it, or start another run"
                ) from None
            time.sleep(0.02)
        except (OSError, NotImplementedError) as error:  # read-only, or a file system without locks
            raise RunError(f"cannot lock {folder}: {getattr(error, 'strerror', None) or error}") from None
    try:
        write_json(folder / OWNER, this_process())
    except RunError:
        lock.release()
        raise
    return held


def is_free(folder: Path) -> bool:
    """Whether no process holds the lock of a folder; False where that cannot be found out."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError, NotImplementedError):
        return False
    lock.release()
    return True


def this_process() -> dict[str, Any]:
    """Number and machine of this process."""
    return {"pid": os.getpid(), "host": socket.gethostname()}


def _owner(folder: Path) -> tuple[int, str] | None:
    """Number and machine of the last process that had the lock; None for one that is known to have ended."""
    try:
        owner = json.loads((folder / OWNER).read_bytes())
        number, host = int(owner["pid"]), str(owner["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    ended = host == socket.gethostname() and number != os.getpid() and not lives(number)
    return None if ended else (number, host)


def _is_owned(folder: Path) -> bool:
    """Whether the last process that had the lock lives on this machine, and is another one."""
    owner = _owner(folder)
    return owner is not None and owner[0] != os.getpid() and owner[1] == socket.gethostname()


def _named(owner: tuple[int, str] | None) -> str:
    return f"process {owner[0]} on {owner[1]}" if owner else "another process"
