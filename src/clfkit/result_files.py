"""The files of a run that hold what its best model was found to be worth."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clfkit.data.npz_files import read_arrays
from clfkit.errors import DataError, RunError
from clfkit.storage import changing, made, write_atomically

PREDICTION_ARRAYS = ("ids", "labels", "predicted", "probabilities", "top_classes", "top_probabilities")


@dataclass(frozen=True)
class ResultFiles:
    """evaluation/<split>.json and predictions/<split>.npz below `path`, the run's folder."""

    path: Path

    def discard(self) -> None:
        """Remove all. Raises RunError."""
        for path in (*self.path.glob("evaluation/*.json"), *self.path.glob("predictions/*.npz")):
            with changing(path, "remove"):
                path.unlink()

    def save_predictions(self, split: str, arrays: dict[str, npt.NDArray[Any]]) -> Path:
        """See RunDirectory.save_predictions."""
        path = made(self.path / "predictions") / f"{split}.npz"
        np.savez_compressed(content := io.BytesIO(), allow_pickle=False, **arrays)
        write_atomically(path, content.getvalue())
        return path

    def predictions(self, split: str) -> dict[str, npt.NDArray[Any]] | None:
        """See RunDirectory.predictions."""
        path = self.path / "predictions" / f"{split}.npz"
        if not path.is_file():
            return None
        try:
            found = read_arrays(path, *((name,) for name in PREDICTION_ARRAYS))
        except DataError as error:
            raise RunError(str(error)) from None
        kept = {name: array for name, array in zip(PREDICTION_ARRAYS, found, strict=True) if array is not None}
        if "predicted" not in kept and "top_classes" in kept:
            kept["predicted"] = kept["top_classes"][:, 0]
        elif "predicted" not in kept and "probabilities" in kept:
            kept["predicted"] = kept["probabilities"].argmax(axis=1)
        rows = [len(kept[name]) for name in ("ids", "labels", "predicted") if name in kept]
        if len(rows) < 3 or len(set(rows)) > 1:
            raise RunError(f"{path} does not hold ids, labels and predictions of the same samples")
        return kept
