"""Rows about MNIST."""

from __future__ import annotations

import statistics
from typing import Any

from measuring import ROOT, Bench, Claim, Outcomes, Unavailable, Work, claim
from rows.points import BLOBS, LIBRARIES, PLAIN

HAND = "loop by hand, same kernels"
TOLERANCE = 0.005
"""After one epoch the test accuracy of one program differs by 0.28 % from seed to seed (standard deviation of five), so
that the medians of two times three runs differ by this much once in twenty times."""
SEEDS = 5


def epoch(bench: Bench) -> list[Claim]:
    """55,000 images in batches of 128, then the valid and the test split, in fp32 and bf16."""
    outcomes = _epochs(bench)
    claims = []
    for ours, precision, reach, stretch in (("clfkit", "fp32", 0.75, 0.6), ("clfkit, bf16", "bf16", 0.45, 0.37)):
        work, measure = f"an epoch of MNIST, {precision}", "training+evaluation"
        pairs = {ours: outcomes[ours], **{name: found for name, found in outcomes.items() if "clfkit" not in name}}
        bounds: dict[str, Any] = {"reach": reach, "stretch": stretch}
        claims.append(claim(work, pairs, PLAIN, measure, tolerance=TOLERANCE, **bounds))
        others = [library for library in LIBRARIES if library in pairs]
        claims += [claim(work, pairs, library, measure, tolerance=TOLERANCE) for library in others]
        claims.append(claim(work, pairs, PLAIN, "wall", tolerance=TOLERANCE))
    return claims


def memory(bench: Bench) -> list[Claim]:
    """The largest resident size of the whole process."""
    bounds: dict[str, Any] = {"reach": 0.8, "stretch": 0.6, "tolerance": TOLERANCE}
    return [claim("an epoch of MNIST, fp32", _epochs(bench), PLAIN, "memory", unit="MB", **bounds)]


def to_99(bench: Bench) -> list[Claim]:
    """Training and evaluation until 99 % of the test images are right: ours in 5 of 5 seeds, or it does not count."""
    runs = _seeds(bench, "mnist_fast", 1 if bench.quick else SEEDS)
    plain = bench.turns({PLAIN: _peer(bench, "plain", "--epochs", 15, "--until", 0.99)})[PLAIN]
    accuracies = [outcome.told["accuracy"] for outcome in runs]
    above = sum(value > 0.99 for value in accuracies)
    ours, theirs = (statistics.median(each.of("training+evaluation") for each in found) for found in (runs, plain))
    epochs = "/".join(str(each.told["epochs"]) for each in plain)
    note = (
        f"{above} of {len(runs)} seeds above 99 %, lowest {min(accuracies):.2%}; medians; the loop took {epochs} epochs"
    )
    bounds: dict[str, Any] = {"reach": 0.18, "stretch": 0.08}
    bounds |= {"our_accuracy": min(accuracies), "their_accuracy": 0.99, "tolerance": 0.0, "note": note}
    return [Claim("MNIST to 99 % on test", "training and evaluation", PLAIN, ours, theirs, **bounds)]


def best_accuracy(bench: Bench) -> list[Claim]:
    """configs/mnist_best.yaml at five seeds: the share of wrong test images, so that smaller is better."""
    runs = _seeds(bench, "mnist_best", SEEDS)
    accuracies = sorted(outcome.told["accuracy"] for outcome in runs)
    wrong = 100 * (1 - statistics.median(accuracies))
    seconds = statistics.median(outcome.of("training+evaluation") for outcome in runs)
    note = f"test accuracies {', '.join(f'{value:.2%}' for value in accuracies)}; {seconds:.0f} s a run"
    work = f"MNIST, {runs[0].told['epochs']} epochs"
    bounds: dict[str, Any] = {"reach": 0.5, "stretch": 0.4, "note": note}
    return [Claim(work, "wrong test images", "1 % wrong", wrong, 1.0, unit="%", **bounds)]


def by_hand(bench: Bench) -> list[Claim]:
    """What the loop of clfkit costs beside one by hand with the same network and kernels."""
    digits = ("train.epochs=1", "plots=[]", f"data.root={bench.root}")
    points = (*BLOBS, "engine=torch", f"train.epochs={bench.epochs(100)}")
    return [
        *_beside_hand(bench, "an epoch of MNIST, fp32", "mnist", digits, {"reach": 1.10, "stretch": 1.03}),
        *_beside_hand(bench, "blobs, batches of 32, engine: torch", "blobs", points, {}),
    ]


def evaluation(bench: Bench) -> list[Claim]:
    """`clfkit eval` of a run that was stopped after some steps: what a model is worth does not change its speed."""
    bench.clfkit("mnist", "plots=[]", f"data.root={bench.root}", keep="stopped", stop=True)
    command = ["eval", "--checkpoint", str(bench.out / "mnist" / "stopped"), "--split", "test", "--json"]
    outcomes = bench.turns(
        {"clfkit": lambda turn: bench.command(*command), PLAIN: _peer(bench, "plain", "--epochs", 0)}
    )
    work = "evaluation of 10,000 digits"
    bounds: dict[str, Any] = {"their_measure": "evaluation", "reach": 0.4, "stretch": 0.2}
    return [claim(work, outcomes, PLAIN, "seconds", **bounds), claim(work, outcomes, PLAIN, "wall")]


def _epochs(bench: Bench) -> Outcomes:
    """One epoch of each, whose times and memory several rows look at."""
    common = ("train.epochs=1", "plots=[]", f"data.root={bench.root}")
    work = {
        "clfkit": bench.ours("mnist", *common),
        "clfkit, bf16": bench.ours("mnist", *common, "train.precision=bf16"),
        PLAIN: _peer(bench, "plain", "--epochs", 1),
    }
    for library, script in LIBRARIES.items():
        work[library] = _peer(bench, script, "--epochs", 1, needs=library.lower())
    outcomes: Outcomes = bench.once("mnist epoch", lambda: bench.turns(work))
    return outcomes


def _peer(bench: Bench, script: str, *arguments: object, needs: str = "torch") -> Work:
    return bench.theirs(script, "mnist", "--root", bench.root, *arguments, needs=needs)


def _seeds(bench: Bench, config: str, seeds: int) -> list[Any]:
    """Runs of a config at seeds 0, 1, … Raises Unavailable when there is no such config."""
    if not (ROOT / f"configs/{config}.yaml").is_file():
        raise Unavailable(f"there is no configs/{config}.yaml")
    return bench.turns({config: bench.ours(config, "plots=[]", f"data.root={bench.root}")}, repeats=seeds)[config]


def _beside_hand(bench: Bench, title: str, config: str, sets: tuple[str, ...], bounds: dict[str, float]) -> list[Claim]:
    """A config on the command line beside the loop by hand."""
    outcomes = bench.turns(
        {"clfkit": bench.ours(config, *sets), HAND: bench.theirs("fast_loop", f"configs/{config}.yaml", *sets)}
    )
    more: dict[str, Any] = dict(bounds)
    return [claim(title, outcomes, HAND, "training", **more)]
