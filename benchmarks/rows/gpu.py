"""The row about a GPU, where there is one."""

from __future__ import annotations

from measuring import Bench, Claim, Unavailable, claim, python

PLAIN = "plain loop"


def epoch(bench: Bench) -> list[Claim]:
    """Epochs of MNIST in bf16 and fp32 on the GPU, against the plain loop that copies every batch to it."""
    asked = python("import json, torch; print(json.dumps({'gpu': torch.cuda.is_available()}))")
    if not asked.told["gpu"]:
        raise Unavailable("no GPU here")
    epochs = bench.epochs(5)
    common = ("plots=[]", f"data.root={bench.root}", f"train.epochs={epochs}", "train.device=cuda")
    outcomes = bench.turns(
        {
            "clfkit": bench.ours("mnist", *common),
            "clfkit, bf16": bench.ours("mnist", *common, "train.precision=bf16"),
            PLAIN: bench.theirs("plain", "mnist", "--root", bench.root, "--epochs", epochs, "--device", "cuda"),
        }
    )
    claims = []
    for ours in ("clfkit", "clfkit, bf16"):
        pair = {ours: outcomes[ours], PLAIN: outcomes[PLAIN]}
        work = f"{epochs} epochs of MNIST on a GPU, " + ("bf16" if "bf16" in ours else "fp32")
        claims.append(claim(work, pair, PLAIN, "training+evaluation", tolerance=0.003))
    return claims
