"""What a paired test says, in plain words."""

from __future__ import annotations

from dataclasses import dataclass

from clfkit.comparing.paired import ALPHA, FEWEST_DISCORDANT, Paired


@dataclass(frozen=True)
class Verdict:
    """One run beside another on the same samples. adjusted: the p-value, corrected for `tests` of them."""

    first: str
    second: str
    paired: Paired
    samples: int
    adjusted: float
    tests: int

    @property
    def differs(self) -> bool:
        """Whether one of them is better beyond chance."""
        return self.adjusted <= ALPHA

    @property
    def sentence(self) -> str:
        """The verdict in plain words, with the difference in points and its interval."""
        points, low, high = (self._points(share) for share in (self.paired.difference, *self.paired.interval))
        size = f"{points:+.{self._digits}f} points, 95 % interval {low:.{self._digits}f} to {high:.{self._digits}f}"
        if self.differs:
            which = "better" if self.paired.difference > 0 else "worse"
            return f"{self.first} is {which} than {self.second}: {size}"
        among = f" among {self.tests} tests" if self.paired.p <= ALPHA else ""  # alone it would be one
        return f"{self.first} and {self.second}: no difference beyond chance{among} ({size})"

    @property
    def reason(self) -> str:
        """What the verdict rests on."""
        first, second = self.paired.only_first, self.paired.only_second
        if not first + second:
            return "both are right, or both wrong, on every sample"
        counts = f"{first:,} samples only {self.first} gets right, {second:,} only {self.second}"
        if first + second < FEWEST_DISCORDANT:
            return f"{counts}: too few to tell them apart"
        corrected = f", corrected p {_rounded(self.adjusted)}" if self.tests > 1 else ""
        return f"{counts}; p {_rounded(self.paired.p)}{corrected}"

    @property
    def _digits(self) -> int:
        return 1 if self.samples <= 1000 else 2

    def _points(self, share: float) -> float:
        return round(100 * share, self._digits) + 0.0  # no -0.0


def _rounded(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"= {p:.2g}"
