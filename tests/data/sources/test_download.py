"""The patience that a download has with its server."""

from __future__ import annotations

import socket

from clfkit.data.sources import _download


def test_the_timeout_of_downloads_is_put_back() -> None:
    with _download._patience():
        assert socket.getdefaulttimeout() == _download.PATIENCE
    assert socket.getdefaulttimeout() is None
