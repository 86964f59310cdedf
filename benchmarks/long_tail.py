"""What helps where classes are rare: remedies for imbalance on characters of which some have 14 drawings, some one.

    python benchmarks/long_tail.py OMNIGLOT [--seeds 3]

300 characters of Omniglot, drawn for each seed, with 14 to 1 train images (evenly spaced on a logarithmic scale), three
valid and three test images each. Every row is `clfkit train` with one thing changed. Medians over the seeds of the
accuracy on valid, by which a row is chosen, and on test; head, middle and tail are thirds of the classes.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import yaml

CLASSES, MOST, HELD_OUT = 300, 14, 3

EXPERIMENT = {
    "name": "long_tail",
    "data": {"name": "image_folder", "size": 28, "channels": 1, "cache": "off"},
    "model": {
        "name": "custom_head", "hidden": [], "dropout": 0.2,
        "backbone": {"name": "resnet_small", "channels": [32, 64, 128], "blocks": 1, "stem_stride": 2},
    },
    "train": {
        "epochs": 40, "batch_size": 64, "ema": 0.99, "best": "valid.balanced_accuracy",
        "augment": [{"name": "affine", "degrees": 15, "scale": [0.85, 1.15], "shear": 10, "fill": 255}],
        "optimizer": {"name": "adamw", "lr": 0.003, "weight_decay": 0.05},
        "schedule": {"name": "cosine", "warmup": 2},
    },
    "plots": [],
}  # fmt: skip

REMEDIES = {
    "nothing": [],
    "class_weights: balanced": ["train.loss={name: cross_entropy, class_weights: balanced}"],
    "class_weights: effective_number, beta 0.9": [
        "train.loss={name: cross_entropy, class_weights: effective_number, beta: 0.9}"
    ],
    "sampling: square_root": ["train.sampling=square_root"],
    "sampling: balanced": ["train.sampling=balanced"],
    "loss: focal, gamma 1": ["train.loss={name: focal, gamma: 1}"],
    "loss: focal, gamma 2": ["train.loss={name: focal, gamma: 2}"],
    "logit_adjustment: 0.5": ["train.loss={name: cross_entropy, logit_adjustment: 0.5}"],
    "logit_adjustment: 1": ["train.loss={name: cross_entropy, logit_adjustment: 1}"],
}

METRICS = ("accuracy", "head_accuracy", "middle_accuracy", "tail_accuracy")


def unbalanced_list(root: Path, seed: int, file: Path) -> None:
    """Write a CSV of path, label and split: some images of some characters."""
    random = np.random.default_rng(seed)
    folders = sorted({image.parent for image in root.rglob("*.png")})
    chosen = random.choice(len(folders), CLASSES, replace=False)
    counts = np.geomspace(MOST, 1, CLASSES).round().astype(int)
    with file.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["path", "label", "split"])
        for folder, count in zip((folders[number] for number in chosen), counts, strict=True):
            images = random.permutation(sorted(folder.glob("*.png")))
            parts = ["valid"] * HELD_OUT + ["test"] * HELD_OUT + ["train"] * int(count)
            label = folder.relative_to(root).as_posix()
            rows.writerows([image.relative_to(root), label, part] for image, part in zip(images, parts, strict=False))


def scores(config: Path, changes: list[str], out: str) -> dict[str, dict[str, float]]:
    """Valid and test metrics of one run."""
    command = [sys.executable, "-m", "clfkit", "train", str(config), "--out", out, "--quiet", "--json"]
    for change in changes:
        command += ["--set", change]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    folder = Path(json.loads(done.stdout)["run"]) / "evaluation"
    return {part: json.loads((folder / f"{part}.json").read_text())["metrics"] for part in ("valid", "test")}


def main() -> None:
    """Print a row of Markdown for each remedy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("omniglot", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    root = arguments.omniglot.absolute()
    print("| change | valid | test | head | middle | tail |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "long_tail.yaml"
        config.write_text(yaml.safe_dump(EXPERIMENT))
        for name, changes in REMEDIES.items():
            runs = []
            for seed in range(arguments.seeds):
                listed = Path(folder) / f"{seed}.csv"
                unbalanced_list(root, seed, listed)
                places = [f"data.root={root}", f"data.csv={listed}", f"seed={seed}"]
                runs.append(scores(config, places + changes, folder))
            valid = statistics.median(run["valid"]["accuracy"] for run in runs)
            tests = [statistics.median(run["test"][metric] for run in runs) for metric in METRICS]
            print(f"| {name} | " + " | ".join(f"{100 * value:.1f}" for value in (valid, *tests)) + " |", flush=True)


if __name__ == "__main__":
    main()
