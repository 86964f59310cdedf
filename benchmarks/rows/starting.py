"""Rows about how soon a command begins, and how soon a small one is over."""

from __future__ import annotations

from typing import Any

from measuring import Bench, Claim, Outcome, Work, claim, python
from rows.points import TINY

IMPORT = "import torch"
SCRIPT = "plain script with the same figures"
ROUNDS = 2  # times as many as elsewhere: these are short


def first_step(bench: Bench) -> list[Claim]:
    """From the start of the process to the end of the first training step."""
    root = f"data.root={bench.root}"
    digits: Work = lambda turn: bench.clfkit("mnist", "plots=[]", root, stop=True)  # noqa: E731
    claims = [_beside_import(bench, "MNIST", digits, "first_step", 1.3, 1.1)]
    for engine in (TINY, "engine=torch"):
        points = bench.ours("blobs", engine, "plots=[]", "train.epochs=2")
        claims.append(_beside_import(bench, f"blobs, {engine.replace('=', ': ')}", points, "first_step", 1.9, 1.2))
    return claims


def light_commands(bench: Bench) -> list[Claim]:
    """`--help` and `validate`, which import no library that computes."""
    validate = ("validate", "configs/mnist.yaml")
    return [
        _beside_import(bench, "clfkit --help", lambda turn: bench.command("--help"), "wall", 0.12, 0.07),
        _beside_import(bench, f"clfkit {' '.join(validate)}", lambda turn: bench.command(*validate), "wall", 0.2, 0.15),
    ]


def with_figures(bench: Bench) -> list[Claim]:
    """`clfkit train configs/blobs.yaml` as it is, against a script that trains the same and draws the same figures."""
    script = bench.theirs("plain_figures", "--out", bench.out / "figures")
    outcomes = bench.turns({"clfkit": bench.ours("blobs"), SCRIPT: script})
    epochs = ", ".join("/".join(str(each.told["epochs"]) for each in found) for found in outcomes.values())
    work, note = "clfkit train configs/blobs.yaml", f"epochs until it stopped early: {epochs}"
    claims = [claim(work, outcomes, SCRIPT, "wall", reach=0.5, stretch=0.3, note=note)]
    return [*claims, claim(work, outcomes, SCRIPT, "drawing")]


def _beside_import(bench: Bench, title: str, ours: Work, measure: str, reach: float, stretch: float) -> Claim:
    outcomes = bench.turns({"clfkit": ours, IMPORT: _import_torch}, repeats=ROUNDS * bench.repeats)
    bounds: dict[str, Any] = {"their_measure": "wall", "reach": reach, "stretch": stretch}
    return claim(title, outcomes, IMPORT, measure, **bounds)


def _import_torch(turn: int) -> Outcome:
    return python("import torch")
