"""Work in step: order of steps, results, and which failure is told."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clfkit.data.lockstep import Steps, finished, in_step
from clfkit.errors import DataError


def counting(name: int, steps: int, log: list[tuple[int, int]], fails_at: int | None = None) -> Steps[int]:
    for step in range(steps):
        log.append((step, name))
        if step == fails_at:
            raise DataError(str(name))
        if step < steps - 1:
            yield
    return name


@given(st.lists(st.integers(1, 4), max_size=6))
def test_every_step_is_taken_by_all_before_the_next_one(lengths: Sequence[int]) -> None:
    log: list[tuple[int, int]] = []
    works = [counting(name, steps, log) for name, steps in enumerate(lengths)]
    assert in_step(works) == list(range(len(lengths)))
    assert log == sorted((step, name) for name, steps in enumerate(lengths) for step in range(steps))


@given(st.lists(st.one_of(st.none(), st.integers(0, 2)), min_size=1, max_size=6))
def test_the_first_in_order_that_fails_is_told(failures: Sequence[int | None]) -> None:
    log: list[tuple[int, int]] = []
    works = [counting(name, 3, log, fails_at) for name, fails_at in enumerate(failures)]
    first = next((name for name, fails_at in enumerate(failures) if fails_at is not None), None)
    if first is None:
        assert in_step(works) == list(range(len(failures)))
    else:
        with pytest.raises(DataError, match=f"^{first}$"):
            in_step(works)


def test_one_alone() -> None:
    assert finished(counting(7, 3, [])) == 7


@pytest.mark.parametrize("error", [DataError("bad"), RuntimeError("bad"), KeyboardInterrupt(), MemoryError()], ids=repr)
def test_what_was_not_finished_lets_go_of_what_it_holds(error: BaseException) -> None:
    held = []

    def failing() -> Steps[None]:
        yield
        raise error

    def holding() -> Steps[None]:
        try:
            yield
            yield
        finally:
            held.append("let go")

    with pytest.raises(type(error)) as caught:
        in_step([failing(), holding()])
    assert held == ["let go"] and caught.value is error
