"""The words of a verdict."""

from __future__ import annotations

from clfkit.comparing.paired import Paired
from clfkit.comparing.verdicts import Verdict


def verdict_of(
    first: int, second: int, samples: int = 1000, adjusted: float = 0.5, tests: int = 1, p: float = 0.5
) -> Verdict:
    difference = (first - second) / samples
    paired = Paired(difference, (difference - 0.003, difference + 0.003), first, second, p)
    return Verdict("A", "B", paired, samples, adjusted, tests)


def test_verdicts_in_words() -> None:
    assert verdict_of(6, 2, adjusted=0.04).sentence == "A is better than B: +0.4 points, 95 % interval 0.1 to 0.7"
    assert verdict_of(2, 6, adjusted=0.04).sentence == "A is worse than B: -0.4 points, 95 % interval -0.7 to -0.1"
    assert verdict_of(3, 3).sentence == "A and B: no difference beyond chance (+0.0 points, 95 % interval -0.3 to 0.3)"
    assert "no difference beyond chance among 4 tests (+" in verdict_of(9, 3, adjusted=0.06, tests=4, p=0.03).sentence
    assert "(+0.02 points" in verdict_of(5, 3, samples=10_000).sentence
    assert verdict_of(0, 0).reason == "both are right, or both wrong, on every sample"
    assert verdict_of(5, 0).reason == "5 samples only A gets right, 0 only B: too few to tell them apart"
    assert verdict_of(1200, 3).reason == "1,200 samples only A gets right, 3 only B; p = 0.5"
    assert verdict_of(6, 2, adjusted=0.9, tests=3).reason.endswith("p = 0.5, corrected p = 0.9")
    assert verdict_of(9, 1, adjusted=1e-9, tests=3).reason.endswith("p = 0.5, corrected p < 0.0001")
