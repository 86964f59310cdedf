"""The models that a run has kept on its way: before training, and after single epochs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from clfkit.checkpoint import read_checkpoint
from clfkit.classifier import Classifier, build_engine
from clfkit.plots import NothingToDraw
from clfkit.plots.style import thinned

WANTED = 50
"""Snapshots that a run without any is told to keep."""


def kept_models(classifier: Classifier, limit: int) -> Mapping[int, Path]:
    """Where the model of each epoch is, oldest first; epoch 0 is before training. Of more than `limit` so many.

    Raises NothingToDraw for a run without snapshots.
    """
    run = classifier.run
    if run is None:
        raise NothingToDraw("a checkpoint alone has no snapshots; give the folder of a run")
    snapshots = run.snapshots.by_epoch()
    if not snapshots:
        every = -(-classifier.config.train.epochs // WANTED)
        wanted = f"train.snapshots: {{every: {every}, last: {WANTED}}}"
        again = f"clfkit train {run.path}/config.yaml --set '{wanted.replace(': {', '={', 1)}'"
        raise NothingToDraw(f"{run.path} has no snapshots; with {wanted} training keeps them: {again}")
    initial = run.checkpoint_path("initial")
    places = [*({0: initial} if initial else {}).items(), *snapshots.items()]
    return dict(places[index] for index in thinned(len(places), limit))


def restored(classifier: Classifier, places: Mapping[int, Path]) -> Iterator[tuple[int, Classifier]]:
    """The models of a run, one after the other, on the classifier's data.

    They share one engine: the next one takes the place of the one before.
    """
    engine = build_engine(classifier.config, classifier.spec, classifier.checkpoint.class_counts, classifier.device)
    for epoch, path in places.items():
        if not path.is_dir():  # given way to a newer one, in a run that is still trained
            continue
        checkpoint = read_checkpoint(path)
        engine.load_state(checkpoint.model)
        assert classifier.run is not None, "snapshots belong to a run"
        yield epoch, Classifier.trained(checkpoint, classifier.run, engine, classifier.bundle)
