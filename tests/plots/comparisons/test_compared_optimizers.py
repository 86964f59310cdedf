"""The optimizers of several runs in one figure: what is drawn is in the histories, and the legend tells runs apart."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from drawn_classifiers import certain, config_of, invented, records_of
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from clfkit.classifier import Classifier
from clfkit.components import comparisons, models
from clfkit.errors import UsageError
from clfkit.history import EpochRecord
from clfkit.plots import NothingToDraw, save
from clfkit.plots.comparisons import UnlikeRuns, compare
from clfkit.plots.style import COLOURS
from clfkit.run import RunDirectory


def ran(
    optimizer: str, *, train: str = "", more: str = "", data: str = "blobs", records: tuple[EpochRecord, ...] = (),
    at: Path | None = None,
) -> Classifier:  # fmt: skip
    """A run with that optimizer; `train` and `more` are further options under `train` and at the top."""
    config = config_of(data, f"train: {{optimizer: {optimizer}{train}}}\n{more}")
    return invented(
        np.zeros((4, 2), np.float32), np.array([0, 0, 1, 1]), ("a", "b"), lambda x: certain(np.zeros(len(x), int), 2),
        config=config, records=records or records_of(9), run=RunDirectory(at) if at else None,
    )  # fmt: skip


def figure_of(*classifiers: Classifier, **options: str) -> Figure:
    return compare(comparisons.parse({"name": "optimizers", **options}), classifiers)


def legend(figure: Figure) -> list[str]:
    (drawn,) = figure.legends
    return [text.get_text().replace("\n", " ") for text in drawn.get_texts()]


SGD, MOMENTUM, ADAM = "{name: sgd, lr: 0.5}", "{name: sgd, lr: 0.5, momentum: 0.9}", "{name: adam, lr: 2e-2}"


def test_lines_equal_the_histories() -> None:
    histories = records_of(9), records_of(12)
    runs = [ran(each, records=records) for each, records in zip((SGD, ADAM), histories, strict=True)]
    loss, accuracy = figure_of(*runs).axes
    for axes in (loss, accuracy):
        assert len(axes.get_lines()) == 2
        assert axes.get_xlabel() == "epoch"
    for at, records in enumerate(histories):
        assert loss.get_lines()[at].get_ydata() == pytest.approx([r.train_loss for r in records])
        assert accuracy.get_lines()[at].get_ydata() == pytest.approx([r.valid_accuracy for r in records])
        assert accuracy.get_lines()[at].get_xdata() == pytest.approx([r.epoch for r in records])


def test_the_splits_can_be_chosen() -> None:
    loss, accuracy = figure_of(ran(SGD), loss="valid", accuracy="train").axes
    assert loss.get_title("left") == "Valid loss"
    assert accuracy.get_title("left") == "Train accuracy"
    assert loss.get_lines()[0].get_ydata() == pytest.approx([r.valid_loss for r in records_of(9)])
    assert accuracy.get_lines()[0].get_ydata() == pytest.approx([r.train_accuracy for r in records_of(9)])


def test_without_a_valid_split_train_accuracy_is_drawn() -> None:
    blind = ran(ADAM, records=records_of(9, valid=False))
    _, accuracy = figure_of(ran(SGD), blind).axes
    assert accuracy.get_title("left") == "Train accuracy"
    with pytest.raises(NothingToDraw, match=r"has no valid.accuracy"):
        figure_of(ran(SGD), blind, accuracy="valid")


@pytest.mark.parametrize(
    ("optimizer", "train", "name"),
    [
        (SGD, "", "sgd lr 0.5"),
        ("sgd", "", "sgd lr 0.1"),
        (MOMENTUM, "", "sgd lr 0.5, momentum 0.9"),
        ("{name: sgd, lr: 1, momentum: 0.9, nesterov: true}", "", "sgd lr 1, momentum 0.9, nesterov true"),
        (ADAM, "", "adam lr 0.02"),
        ("{name: adam, lr: 1e-5, beta1: 0.5, weight_decay: 0.1}", "", "adam lr 1e-05, beta1 0.5, weight_decay 0.1"),
        ("{name: adamw, weight_decay: 0.01}", "", "adamw lr 0.001"),
        ("{name: adamw, weight_decay: 0.0}", "", "adamw lr 0.001, weight_decay 0"),
        (SGD, ", schedule: cosine", "sgd lr 0.5, schedule cosine"),
        (SGD, ", schedule: {name: step, gamma: 0.5}", "sgd lr 0.5, schedule step gamma 0.5"),
        (SGD, ", schedule: {name: constant, warmup: 2}", "sgd lr 0.5, schedule constant warmup 2"),
    ],
)
def test_legend_names_the_optimizer_and_what_is_not_its_default(optimizer: str, train: str, name: str) -> None:
    assert legend(figure_of(ran(optimizer, train=train))) == [name]


def test_order_and_colours_are_those_of_the_arguments() -> None:
    figure = figure_of(ran(ADAM), ran(SGD), ran(MOMENTUM))
    assert legend(figure) == ["adam lr 0.02", "sgd lr 0.5", "sgd lr 0.5, momentum 0.9"]
    for axes in figure.axes:
        assert [to_hex(line.get_color()) for line in axes.get_lines()] == list(COLOURS[:3])


def test_equal_names_get_what_tells_them_apart(tmp_path: Path) -> None:
    with pytest.warns(UnlikeRuns, match=r"train.epochs"):
        figure = figure_of(
            ran(SGD, more="seed: 1", at=tmp_path / "a"),
            ran(SGD, more="seed: 2", at=tmp_path / "b"),
            ran(SGD, train=", epochs: 9", more="seed: 2", at=tmp_path / "c"),
            ran(ADAM),
        )
    assert legend(figure) == [
        "sgd lr 0.5, seed 1", "sgd lr 0.5, seed 2, run b", "sgd lr 0.5, seed 2, run c", "adam lr 0.02",
    ]  # fmt: skip
    assert legend(figure_of(ran(SGD), ran(ADAM), ran(SGD))) == ["sgd lr 0.5 (1)", "adam lr 0.02", "sgd lr 0.5 (3)"]


def test_more_runs_than_colours_differ_in_their_lines() -> None:
    figure = figure_of(*(ran(f"{{name: sgd, lr: {lr}}}") for lr in range(1, 24)))
    for axes in figure.axes:
        assert len({(line.get_color(), line.get_linestyle()) for line in axes.get_lines()}) == 23
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert 0 <= box.y0 <= box.y1 <= figure.bbox.y1


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"data": "moons"}, "data.name: 'blobs' → 'moons'"),
        ({"data": "{name: blobs, samples: 77}"}, "data.samples: 5000 → 77"),
        ({"train": ", loss: {name: cross_entropy, label_smoothing: 0.1}"}, "train.loss.label_smoothing: 0.0 → 0.1"),
    ],
)
def test_other_data_or_loss_is_refused(other: dict[str, str], named: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refusal:
        figure_of(ran(SGD, at=tmp_path / "a"), ran(ADAM), ran(ADAM, at=tmp_path / "c", **other))
    text = str(refusal.value)
    assert named in text
    assert text.startswith(f"{tmp_path / 'a'} and {tmp_path / 'c'} do not compare")
    assert "optimizer" not in text
    assert "\n" not in text


def test_another_model_is_refused() -> None:
    other = ran(ADAM)
    wider = models.parse({"name": "mlp", "hidden": (32,)})
    changed = dataclasses.replace(other, config=other.config.model_copy(update={"model": wider}))
    with pytest.raises(UsageError, match=r"do not compare; they differ in model.hidden: \[16\] → \[32\]"):
        figure_of(ran(SGD), changed)


def test_incidental_options_are_not_mentioned() -> None:
    other = ran(ADAM, train=", device: cpu, threads: 1, checkpoint_every: {epochs: 5}", more="seed: 5\nplots: []")
    renamed = dataclasses.replace(other, config=other.config.model_copy(update={"name": "other"}))
    assert figure_of(ran(SGD), renamed).get_supxlabel() == ""


def test_other_differences_are_drawn_and_said() -> None:
    with pytest.warns(UnlikeRuns) as caught:
        figure = figure_of(ran(SGD), ran(ADAM, train=", batch_size: 32, device: cpu"), ran(ADAM, train=", epochs: 3"))
    sentence = "the runs also differ in train.batch_size, train.epochs"
    assert [str(warning.message) for warning in caught] == [sentence]
    assert figure.get_supxlabel() == sentence.capitalize()
    assert len(figure.axes[0].get_lines()) == 3


@pytest.mark.parametrize("options", [{"more": "seed: 5"}, {"data": "{name: blobs, seed: 5}"}], ids=str)
def test_other_samples_of_the_same_dataset_are_said(options: dict[str, str]) -> None:
    other = ran(ADAM, **options)
    other = dataclasses.replace(other, checkpoint=dataclasses.replace(other.checkpoint, fingerprint="other"))
    with pytest.warns(UnlikeRuns, match="their samples or split"):
        figure_of(ran(SGD), other)


def test_a_run_without_history_is_named(tmp_path: Path) -> None:
    empty = ran(ADAM, at=tmp_path / "empty")
    empty = dataclasses.replace(empty, checkpoint=dataclasses.replace(empty.checkpoint, records=()))
    with pytest.raises(NothingToDraw, match=r"empty has no history"):
        figure_of(ran(SGD), empty)


def test_a_run_given_twice_is_refused(tmp_path: Path) -> None:
    run, same = ran(SGD, at=tmp_path / "a"), ran(SGD, at=tmp_path / "b" / ".." / "a")
    with pytest.raises(UsageError, match="given twice"):
        figure_of(run, ran(ADAM), same)


@pytest.mark.parametrize(("epochs", "scale"), [(5, "linear"), (100, "log")])
def test_loss_that_falls_far_is_drawn_on_a_logarithmic_axis(epochs: int, scale: str) -> None:
    loss, accuracy = figure_of(ran(SGD, records=records_of(epochs))).axes
    assert loss.get_yscale() == scale
    assert ("logarithmic" in loss.get_title("left")) == (scale == "log")
    assert accuracy.get_yscale() == "linear"


@pytest.mark.parametrize(("scale", "epochs"), [("linear", 9), ("log", 9), ("log", 1)])
def test_axis_of_the_epochs(scale: str, epochs: int) -> None:
    figure = figure_of(ran(SGD, records=records_of(epochs)), epochs=scale)
    figure.draw_without_rendering()
    assert [axes.get_xscale() for axes in figure.axes] == [scale, scale]


def test_losses_of_zero_leave_the_axis_logarithmic() -> None:
    records = [*records_of(100)]
    records[-1] = records[-1].model_copy(update={"train_loss": 0.0})
    loss, _ = figure_of(ran(SGD, records=tuple(records))).axes
    loss.figure.draw_without_rendering()
    assert loss.get_yscale() == "log"
    assert loss.get_ylim()[0] > 1e-4


@pytest.mark.parametrize(("epochs", "marker"), [(1, "o"), (30, "o"), (31, "None")])
def test_markers_only_where_epochs_are_few(epochs: int, marker: str) -> None:
    loss, _ = figure_of(ran(SGD, records=records_of(epochs))).axes
    assert loss.get_lines()[0].get_marker() in (marker, "" if marker == "None" else marker)


def test_many_epochs_are_means_in_a_band_that_keeps_every_spike(tmp_path: Path) -> None:
    records = [*records_of(10_000)]
    records[7_777] = records[7_777].model_copy(update={"train_loss": 50.0})
    figure = figure_of(ran(SGD, records=tuple(records)), ran(ADAM, records=records_of(3)))
    loss, _ = figure.axes
    means, short = loss.get_lines()
    expected = np.array([r.train_loss for r in records]).reshape(-1, 20).mean(axis=1)
    assert means.get_ydata() == pytest.approx(expected)
    assert means.get_xdata()[:2] == pytest.approx([10.5, 30.5])
    assert len(short.get_ydata()) == 1
    assert "mean of 20 epochs" in loss.get_xlabel()
    band = loss.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.max(), band.min()) == pytest.approx((50.0, records[-1].train_loss))
    assert save(figure, tmp_path / "long.svg").stat().st_size < 1_000_000


def test_a_logarithmic_axis_keeps_the_first_of_many_epochs_apart() -> None:
    records = records_of(10_000)
    loss, _ = figure_of(ran(SGD, records=records), epochs="log").axes
    (means,) = loss.get_lines()
    epochs = np.asarray(means.get_xdata())
    assert epochs[:20] == pytest.approx(np.arange(1, 21))
    assert means.get_ydata()[:20] == pytest.approx([r.train_loss for r in records[:20]])
    assert len(epochs) <= 500
    assert np.diff(np.log(epochs[-100:])) == pytest.approx(np.full(99, np.log(10_001) / 500), rel=0.05)
    assert "mean of up to 183 epochs" in loss.get_xlabel()


def test_long_names_are_wrapped_and_nothing_is_clipped(tmp_path: Path) -> None:
    long = "{name: adam, lr: 0.0123456, beta1: 0.85, beta2: 0.9995, eps: 1e-5, weight_decay: 0.001, decoupled: true}"
    figure = figure_of(ran(long), ran(SGD))
    lines = figure.legends[0].get_texts()[0].get_text().split("\n")
    assert lines == ["adam lr 0.0123456, beta1 0.85,", "beta2 0.9995, eps 1e-05,", "weight_decay 0.001, decoupled true"]
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    loss, accuracy = figure.axes
    assert box.x1 <= figure.bbox.x1
    assert loss.get_tightbbox().x1 <= accuracy.get_tightbbox().x0 <= accuracy.get_tightbbox().x1 <= box.x0
    save(figure, tmp_path / "long.png")
