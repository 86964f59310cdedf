"""What a check has to say: facts, findings with examples, and what to do about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from clfkit.data.bundle import Part


class Place(NamedTuple):
    """Where a sample is: its id, its class and its split, where it has come so far."""

    id: str
    class_name: str
    part: Part | None


class Example(NamedTuple):
    """Samples that belong together in a finding, or a word on what it is about, or both."""

    word: str = ""
    places: tuple[Place, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Something worth knowing. hurts: training or its score would suffer. count: of what the summary speaks of."""

    kind: str
    hurts: bool
    count: int
    summary: str
    remedy: str
    examples: Sequence[Example] = ()


@dataclass(frozen=True)
class Fact:
    """A line on the data as a whole: in words, and as values for programs."""

    name: str
    text: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Report:
    """All that was found in the data of one experiment. what: its samples, as `32,460 images of 1,623 classes`."""

    experiment: str
    what: str
    facts: Sequence[Fact]
    findings: Sequence[Finding] = ()

    @property
    def hurts(self) -> bool:
        """Whether something should be mended before training."""
        return any(finding.hurts for finding in self.findings)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "experiment": self.experiment,
            "what": self.what,
            "hurts": self.hurts,
            "facts": {fact.name: dict(fact.values) for fact in self.facts},
            "findings": [
                {
                    "kind": finding.kind,
                    "hurts": finding.hurts,
                    "count": finding.count,
                    "summary": finding.summary,
                    "remedy": finding.remedy,
                    "examples": [_plain(example) for example in finding.examples],
                }
                for finding in self.findings
            ],
        }


def _plain(example: Example) -> dict[str, Any]:
    word = {"about": example.word} if example.word else {}
    places = [{"id": place.id, "class": place.class_name, "split": place.part} for place in example.places]
    return {**word, **({"samples": places} if places else {})}
