"""Signals are noted, not obeyed at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from clfkit.interruption import Interruption, postponed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_is_noted_and_told(number: int) -> None:
    heard: list[int] = []
    with Interruption(heard.append) as interruption:
        assert interruption.number is None
        signal.raise_signal(number)
        assert interruption.number == number
    assert heard == [number]


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_second_interrupt_stops_at_once(first: int) -> None:
    with pytest.raises(KeyboardInterrupt), Interruption():
        signal.raise_signal(first)
        signal.raise_signal(signal.SIGINT)


def test_terminating_twice_still_waits_for_the_checkpoint() -> None:
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    assert interruption.number == signal.SIGTERM


def test_an_interrupt_that_comes_twice_at_once_is_one() -> None:
    with Interruption(grace=60.0) as interruption:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert interruption.number == signal.SIGINT
    with pytest.raises(KeyboardInterrupt), Interruption(grace=1e-9):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_handlers_are_put_back_after_an_error_too() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), Interruption():
        assert signal.getsignal(signal.SIGINT) != before[0]
        raise ZeroDivisionError
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_other_threads_train_without_handlers() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with Interruption():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_postponed_signal_comes_at_the_end(number: signal.Signals) -> None:
    came: list[int] = []
    before = signal.signal(number, lambda number, frame: came.append(number))
    try:
        with postponed():
            signal.raise_signal(number)
            assert came == []
        assert came == [number]
        with postponed():
            pass
        assert came == [number]
    finally:
        signal.signal(number, before)


def test_an_interrupt_waits_until_torch_is_there(tmp_path: Path) -> None:
    (tmp_path / "probe.py").write_text(
        "import builtins, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # shells let what runs behind them ignore it
        "from clfkit.components import engines\n"
        "plain = builtins.__import__\n"
        "def watched(name, *more):\n"
        "    if name == 'torch' and 'torch' not in sys.modules:\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "    return plain(name, *more)\n"
        "builtins.__import__ = watched\n"
        "try:\n"
        "    engines.entry('torch').function(None)\n"
        "except KeyboardInterrupt:\n"
        "    print('torch' in sys.modules and 'clfkit.engines.pytorch.engine' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, tmp_path / "probe.py"], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("True\n", "")
