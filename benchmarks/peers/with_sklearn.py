"""scikit-learn's MLPClassifier on the same steps: its fit for all epochs, which keeps the train loss of each.

    python benchmarks/peers/with_sklearn.py blobs

It computes in float32 as its inputs are, and measures no accuracy while it trains.
"""

from __future__ import annotations

import time
import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from telling import arguments, tell


def main() -> None:
    """Train, evaluate, tell."""
    problem, asked = arguments(__doc__)
    warnings.filterwarnings("ignore", category=ConvergenceWarning)  # all epochs are wanted
    model = MLPClassifier(
        problem.hidden,
        batch_size=problem.batch or len(problem.train[1]),
        learning_rate_init=problem.lr,
        max_iter=problem.epochs,
        n_iter_no_change=problem.epochs,
        alpha=problem.weight_decay,
        random_state=asked.seed,
    )
    start = time.perf_counter()
    model.fit(*problem.train)
    trained = time.perf_counter()
    accuracy = float(model.score(*problem.test))
    tell(trained - start, time.perf_counter() - trained, accuracy, epochs=problem.epochs)


if __name__ == "__main__":
    main()
