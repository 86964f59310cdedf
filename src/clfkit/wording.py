"""Words for people: values as they would be typed, and the name that was probably meant.

Stands apart from the options, so that the command line can speak before pydantic is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# What people call an option elsewhere, so that a habit or a slip of it still finds ours.
SYNONYMS = {
    "learning_rate": "lr", "eta": "lr", "lr0": "lr", "l2": "weight_decay", "wd": "weight_decay",
    "n_epochs": "epochs", "num_epochs": "epochs", "max_epochs": "epochs", "max_iter": "epochs",
    "bs": "batch_size", "batch": "batch_size", "batchsize": "batch_size", "minibatch": "batch_size",
    "criterion": "loss", "optim": "optimizer", "scheduler": "schedule", "lr_scheduler": "schedule",
    "dataset": "data", "network": "model", "net": "model", "architecture": "model", "training": "train",
    "n_samples": "samples", "num_samples": "samples", "n_classes": "classes", "num_classes": "classes",
    "centers": "classes", "path": "root", "folder": "root", "hidden_sizes": "hidden", "layers": "hidden",
    "hidden_layers": "hidden", "act": "activation", "p": "dropout", "drop": "dropout", "filters": "channels",
    "amp": "precision", "dtype": "precision", "random_state": "seed", "grad_clip": "clip_norm",
    "gradient_clipping": "clip_norm", "patience": "early_stopping", "monitor": "metric", "type": "name",
    "gradient_accumulation": "accumulate", "grad_accum": "accumulate", "val": "valid", "validation": "valid",
    "gpu": "cuda", "float32": "fp32", "bfloat16": "bf16", "fp16": "bf16", "float16": "bf16", "half": "bf16",
    "augmentation": "augment", "augmentations": "augment", "transforms": "augment", "ema_decay": "ema",
    "num_steps": "max_steps", "total_steps": "max_steps", "iterations": "max_steps", "max_iterations": "max_steps",
    "pad_and_crop": "shift", "random_crop": "shift", "rotation": "affine", "random_affine": "affine",
    "horizontal_flip": "flip", "vertical_flip": "flip", "grayscale": "greyscale", "color_jitter": "colour_jitter",
    "gaussian_blur": "blur", "random_erasing": "erase", "cutout": "erase", "mixing": "mix", "mix_up": "mixup",
    "float64": "fp64", "double": "fp64", "numpy": "scratch", "pytorch": "torch",
}  # fmt: skip


def closest(word: str, known: Iterable[str]) -> str | None:
    """The name among `known` that was probably meant by `word`, or None."""
    import difflib

    names = list(known)
    candidates = {name.lower(): name for name in names}
    candidates |= {other: name for other, name in SYNONYMS.items() if name in names and other not in candidates}
    found = difflib.get_close_matches(str(word).lower(), candidates, n=1, cutoff=0.65)
    return candidates[found[0]] if found else None


def meant(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown `word`: the likely name, or all that exist."""
    names = list(known)
    begun = [name for name in names if word and name.startswith(str(word))]
    near = begun[0] if len(begun) == 1 else closest(word, names)  # what was abbreviated, or else mistyped
    if near:
        return f"did you mean {near!r}?"
    return f"choose from {', '.join(sorted(names))}" if names else "none exist"


def without_secrets(text: str) -> str:
    """Text whose addresses tell neither user nor password: `https://…@host`."""
    return re.sub(r"(?<=://)[^/\s]+(?=@)", "…", text)


def printable(text: str, limit: int | None = 80) -> str:
    """Text that cannot steer a terminal or tell a secret: control characters and odd spaces escaped, addresses without
    users and passwords, cut to `limit` characters."""
    text = without_secrets(text)
    cut = text if limit is None or len(text) <= limit else text[: limit - 1] + "…"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in cut)


def first_line(error: BaseException) -> str:
    """What an error says first, where libraries go on for a page; its kind, where it says nothing."""
    return next(filter(None, str(error).splitlines()), type(error).__name__)


def counted(count: int, one: str, several: str | None = None) -> str:
    """`1 image`, `2,000 images`; several: the plural where it is not `one` with an s."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def in_bytes(count: float) -> str:
    """`840 B`, `12 kB`, `1.4 GB`: powers of a thousand."""
    size, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 999.5 or unit == "TB":
            break
        size /= 1000
    return f"{size:.3g} {unit}"


def cut(text: str, most: int) -> str:
    """Text of at most `most` characters, a longer one without its middle: ends tell names apart as often as starts."""
    half = most // 2
    return text if len(text) <= most else f"{text[: most - half - 1]}…{text[-half:]}"


def in_table(text: str | None) -> str | None:
    """A value as `shown` gives it, for a table of values: there a plain text needs no quotes, and empty is not set."""
    if text == shown(None):
        return "not set"
    plain = text is not None and len(text) > 2 and text[0] == text[-1] == "'" and "'" not in text[1:-1]
    return text[1:-1] if text is not None and plain else text


def shown(value: object, limit: int = 60) -> str:
    """A value as it would be typed, cut to `limit` characters, for messages."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        text = f"{{{', '.join(f'{printable(str(key))}: {shown(item)}' for key, item in value.items())}}}"
    elif isinstance(value, (list, tuple)):
        text = f"[{', '.join(map(shown, value))}]"
    else:
        text = without_secrets(repr(value))
    return text if len(text) <= limit else text[: limit - 1] + "…"
