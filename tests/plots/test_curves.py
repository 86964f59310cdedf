"""Learning curves, learning rate and step losses: what is drawn is what the history holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from drawn_classifiers import certain, config_of, invented, records_of
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.history import EpochRecord
from clfkit.plots import NothingToDraw, draw
from clfkit.run import RunDirectory


def figure_of(name: str, classifier: Classifier) -> Figure:
    return draw(plots.parse(name), classifier)


def with_history(records: tuple[EpochRecord, ...], run: RunDirectory | None = None, more: str = "") -> Classifier:
    inputs, labels = np.zeros((4, 2), np.float32), np.array([0, 0, 1, 1])
    config = config_of("blobs", more)
    return invented(
        inputs, labels, ("a", "b"), lambda x: certain(np.zeros(len(x), int), 2), records=records, run=run, config=config
    )


def lines(axes: Axes) -> dict[str, Line2D]:
    return {str(line.get_label()).split(":")[0]: line for line in axes.get_lines()}


def test_lines_equal_the_history() -> None:
    records = records_of(9)
    loss, accuracy = figure_of("curves", with_history(records)).axes
    assert lines(loss)["train"].get_ydata() == pytest.approx([r.train_loss for r in records])
    assert lines(loss)["valid"].get_ydata() == pytest.approx([r.valid_loss for r in records])
    assert lines(accuracy)["valid"].get_ydata() == pytest.approx([r.valid_accuracy for r in records])
    assert lines(accuracy)["train"].get_xdata() == pytest.approx(range(1, 10))


def test_train_is_solid_and_valid_dashed() -> None:
    for axes in figure_of("curves", with_history(records_of(5))).axes:
        assert lines(axes)["train"].get_linestyle() == "-"
        assert lines(axes)["valid"].get_linestyle() == "--"


@pytest.mark.parametrize(
    ("more", "epoch"), [("", 6), ("train: {best: valid.accuracy}", 9), ("train: {best: valid.loss}", 6)]
)
def test_best_epoch_is_marked(more: str, epoch: int) -> None:
    figure = figure_of("curves", with_history(records_of(9), more=more))
    assert f"epoch {epoch} is the best by valid." in figure.get_suptitle()
    for axes in figure.axes:
        assert lines(axes)["best epoch"].get_xdata() == [epoch]


def test_without_a_valid_split_only_train() -> None:
    figure = figure_of("curves", with_history(records_of(5, valid=False)))
    assert all(list(lines(axes)) == ["train"] for axes in figure.axes)
    assert "best" not in figure.get_suptitle()


@pytest.mark.parametrize(("epochs", "scale"), [(5, "linear"), (100, "log")])
def test_loss_that_falls_far_is_drawn_on_a_logarithmic_axis(epochs: int, scale: str) -> None:
    loss, accuracy = figure_of("curves", with_history(records_of(epochs))).axes
    assert loss.get_yscale() == scale
    assert accuracy.get_yscale() == "linear"


def test_one_epoch_is_a_point() -> None:
    loss, _ = figure_of("curves", with_history(records_of(1))).axes
    assert lines(loss)["train"].get_marker() == "o"
    assert loss.get_xlim() == (0.5, 1.5)


def test_many_epochs_are_means_in_a_band_that_keeps_every_spike() -> None:
    records = [*records_of(10_000)]
    records[7_777] = records[7_777].model_copy(update={"train_loss": 50.0, "valid_accuracy": 0.0})
    loss, accuracy = figure_of("curves", with_history(tuple(records))).axes
    means = np.array([r.valid_loss for r in records]).reshape(-1, 20).mean(axis=1)
    assert lines(loss)["valid"].get_ydata() == pytest.approx(means)
    assert lines(loss)["valid"].get_xdata()[:2] == pytest.approx([10.5, 30.5])
    assert lines(loss)["best epoch"].get_xdata() == [6666]
    assert loss.collections[0].get_paths()[0].vertices[:, 1].max() == pytest.approx(50.0)
    assert accuracy.collections[1].get_paths()[0].vertices[:, 1].min() == 0
    assert "mean of 20 epochs" in loss.get_xlabel()


@pytest.mark.parametrize("name", ["curves", "learning_rate"])
def test_no_epoch_yet(name: str) -> None:
    with pytest.raises(NothingToDraw, match="no epoch is finished"):
        figure_of(name, with_history(()))


def test_learning_rate_equals_the_history() -> None:
    records = records_of(7)
    (axes,) = figure_of("learning_rate", with_history(records)).axes
    (line,) = axes.get_lines()
    assert line.get_ydata() == pytest.approx([r.lr for r in records])
    assert axes.get_ylim()[0] == 0
    assert "schedule: constant" in axes.get_title(loc="left")


@pytest.mark.parametrize("rates", [(0.0, 0.0), (0.1, 0.0), (0.1, 1e-5)])
def test_learning_rates_at_the_extremes(rates: tuple[float, ...]) -> None:
    records = tuple(r.model_copy(update={"lr": lr}) for r, lr in zip(records_of(2), rates, strict=True))
    (axes,) = figure_of("learning_rate", with_history(records)).axes
    assert axes.get_yscale() == ("log" if rates[1] == 1e-5 else "linear")


def run_with(path: Path, losses: np.ndarray) -> Classifier:
    path.mkdir(exist_ok=True)
    run = RunDirectory(path)
    run.append_step_losses(losses, 0)
    return with_history((), run)


def test_steps_of_a_run(blobs: Classifier) -> None:
    assert blobs.run is not None
    (axes,) = figure_of("steps", blobs).axes
    raw, mean = axes.get_lines()
    losses = blobs.run.step_losses()
    assert raw.get_ydata() == pytest.approx(losses)
    assert raw.get_xdata() == pytest.approx(np.arange(1, 101))
    assert mean.get_label() == "mean of 5 steps"
    assert mean.get_ydata() == pytest.approx(np.convolve(losses, np.ones(5) / 5, "valid"), rel=1e-5)
    assert mean.get_xdata()[0] == 3
    assert axes.get_yscale() == "log"


@pytest.mark.parametrize("losses", [[0.5], [0.5, 0.4, 0.0], [0.0], [0.0] * 200, [0.0, 1.0] * 200])
def test_short_runs_and_losses_of_zero(tmp_path: Path, losses: list[float]) -> None:
    (axes,) = figure_of("steps", run_with(tmp_path / "run", np.array(losses))).axes
    assert axes.get_yscale() == ("log" if any(losses) else "linear")
    axes.figure.draw_without_rendering()
    assert len(axes.get_lines()[0].get_ydata()) == len(losses)


def test_many_steps_are_thinned_and_keep_their_spikes(tmp_path: Path) -> None:
    losses = np.linspace(2, 1, 123_456)
    losses[77_777], losses[5] = 50.0, 0.001
    (axes,) = figure_of("steps", run_with(tmp_path / "run", losses)).axes
    raw, mean = axes.get_lines()
    values = np.asarray(raw.get_ydata())
    assert len(values) <= 20_000
    assert (values.max(), values.min()) == pytest.approx((50.0, 0.001))
    assert len(mean.get_ydata()) <= 20_000
    assert mean.get_label() == "mean of 1000 steps"
    assert "lowest and highest" in str(raw.get_label())


def test_steps_without_a_run_or_without_steps(blobs: Classifier, tmp_path: Path) -> None:
    with pytest.raises(NothingToDraw, match="this checkpoint stands alone"):
        figure_of("steps", dataclasses.replace(blobs, run=None))
    with pytest.raises(NothingToDraw, match="no loss of any step"):
        figure_of("steps", with_history((), RunDirectory(tmp_path)))
