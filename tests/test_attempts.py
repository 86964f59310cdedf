"""Pieces of work fail each by itself; a wish to stop ends all of them."""

from __future__ import annotations

import signal

import pytest

from clfkit.attempts import Attempts
from clfkit.errors import Interrupted, RunError


def test_what_goes_wrong_is_told_and_bugs_are_raised_at_the_end() -> None:
    said: list[str] = []
    attempts = Attempts(said.append)
    for error in (RunError("full"), ValueError("wrong"), None, KeyError("gone")):
        with attempts.at("figure", "clfkit plot"):
            if error:
                raise error
    assert said == [
        "note: no figure: full; try again with `clfkit plot`",
        "note: no figure: a bug (ValueError: wrong); try again with `clfkit plot`",
        "note: no figure: a bug (KeyError: 'gone'); try again with `clfkit plot`",
    ]
    with pytest.raises(ExceptionGroup) as raised:
        attempts.settle()
    assert [type(each) for each in raised.value.exceptions] == [ValueError, KeyError]


def test_without_bugs_there_is_nothing_to_settle() -> None:
    attempts = Attempts(lambda message: None)
    with attempts.at("figure", "clfkit plot"):
        raise RunError("full")
    attempts.settle()


@pytest.mark.parametrize("wish", [KeyboardInterrupt(), Interrupted("stopped", signal.SIGTERM)])
def test_a_wish_to_stop_is_one_for_the_rest_too(wish: BaseException) -> None:
    said: list[str] = []
    with pytest.raises(type(wish)), Attempts(said.append).at("figure", "clfkit plot"):
        raise wish
    assert said == []
