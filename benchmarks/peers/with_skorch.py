"""The same work with skorch: a NeuralNetClassifier with accuracy on train and valid in every epoch.

python benchmarks/peers/with_skorch.py blobs
"""

from __future__ import annotations

import time

import torch
from networks import network
from plain import EVALUATION_BATCH
from skorch import NeuralNetClassifier
from skorch.callbacks import EpochScoring
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from telling import arguments, tell
from torch import nn


def main() -> None:
    """Train, evaluate, tell."""
    problem, asked = arguments(__doc__)
    torch.manual_seed(asked.seed)
    scoring = EpochScoring("accuracy", name="train_acc", on_train=True, lower_is_better=False)  # valid_acc is built in
    net = NeuralNetClassifier(
        network(problem),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        optimizer__weight_decay=problem.weight_decay,
        lr=problem.lr,
        max_epochs=problem.epochs,
        batch_size=problem.batch or -1,
        iterator_train__shuffle=True,
        iterator_valid__batch_size=EVALUATION_BATCH,
        train_split=predefined_split(Dataset(*problem.valid)),
        callbacks=[scoring],
        verbose=0,
    )
    start = time.perf_counter()
    net.fit(*problem.train)
    trained = time.perf_counter()
    accuracy = float((net.predict(problem.test[0]) == problem.test[1]).mean())
    tell(trained - start, time.perf_counter() - trained, accuracy, epochs=problem.epochs)


if __name__ == "__main__":
    main()
