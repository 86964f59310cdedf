"""The same work with Lightning: a LightningModule that logs loss and accuracy, and a Trainer of its defaults.

    python benchmarks/peers/with_lightning.py blobs

Progress bar, model summary and checkpoints are off, which spares it time.
"""

from __future__ import annotations

import logging
import time
import warnings

import torch

from clfkit.vision import torchvision

torchvision()  # Lightning's torchmetrics imports it, which beside a CPU-only torch works only in this way

import lightning  # noqa: E402
from networks import network  # noqa: E402
from plain import EVALUATION_BATCH, batches  # noqa: E402
from problems import Problem  # noqa: E402
from telling import arguments, tell  # noqa: E402
from torch import Tensor, nn  # noqa: E402


class Classifier(lightning.LightningModule):
    """A network with cross-entropy and Adam."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem
        self.model = network(problem)
        self.criterion = nn.CrossEntropyLoss()

    def _score(self, batch: tuple[Tensor, Tensor], stage: str) -> Tensor:
        inputs, labels = batch
        logits = self.model(inputs)
        loss: Tensor = self.criterion(logits, labels)
        accuracy = (logits.argmax(dim=1) == labels).float().mean()
        self.log_dict({f"{stage}_loss": loss, f"{stage}_accuracy": accuracy}, on_step=False, on_epoch=True)
        return loss

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Loss of a batch."""
        return self._score(batch, "train")

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """Metrics of a batch."""
        self._score(batch, "valid")

    def test_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """Metrics of a batch."""
        self._score(batch, "test")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.problem.lr, weight_decay=self.problem.weight_decay)


def main() -> None:
    """Train, evaluate, tell."""
    warnings.filterwarnings("ignore")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    problem, asked = arguments(__doc__)
    lightning.seed_everything(asked.seed, verbose=False)
    module = Classifier(problem)
    trainer = lightning.Trainer(
        max_epochs=problem.epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    train = batches(problem.train, problem.batch or len(problem.train[1]), shuffle=True)
    start = time.perf_counter()
    trainer.fit(module, train, batches(problem.valid, EVALUATION_BATCH))
    trained = time.perf_counter()
    result = trainer.test(module, batches(problem.test, EVALUATION_BATCH), verbose=False)[0]
    tell(trained - start, time.perf_counter() - trained, result["test_accuracy"], epochs=problem.epochs)


if __name__ == "__main__":
    main()
