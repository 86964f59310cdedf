"""Charts of a report: of which epochs their values are, and where they stand."""

from __future__ import annotations

import numpy as np
import pytest

from clfkit.report.charts import LEFT, POINTS, RIGHT, WIDTH, over_epochs


def test_each_value_of_a_short_history_is_that_of_its_epoch() -> None:
    chart = over_epochs("Loss", [1, 2, 3], {("train", "first"): [3.0, None, 1.0]}, "number", best=3)
    assert chart is not None
    assert chart.spoken == ("epoch 1", "epoch 2", "epoch 3")
    assert chart.lines[0].values == ("3", "–", "1")
    assert (chart.size, chart.columns[0], chart.mark) == (1, LEFT, WIDTH - RIGHT)


def test_means_of_many_epochs_are_called_so() -> None:
    epochs = list(range(1, 3 * POINTS))
    chart = over_epochs("Loss", epochs, {("train", "first"): [float(each) for each in epochs]}, "number")
    assert chart is not None
    assert chart.size == 3
    assert chart.spoken[:2] == ("epochs 1 to 3, mean", "epochs 4 to 6, mean")
    assert chart.spoken[-1] == f"epochs {epochs[-2]} to {epochs[-1]}, mean"
    assert chart.lines[0].values[:2] == ("2", "5")
    assert len(chart.spoken) == len(chart.columns) == len(chart.lines[0].values) == POINTS
    ticks = {tick.text: tick.at for tick in chart.across}
    wanted = LEFT + 399 / (len(epochs) - 1) * (WIDTH - LEFT - RIGHT)
    assert ticks["400"] == pytest.approx(wanted, abs=0.1)
    assert np.all(np.diff(chart.columns) > 0) and LEFT < chart.columns[0] < chart.columns[-1] < WIDTH - RIGHT


def test_one_epoch_has_a_chart_too() -> None:
    chart = over_epochs("Loss", [1], {("train", "first"): [3.0]}, "number", best=1)
    assert chart is not None
    assert [tick.text for tick in chart.across] == ["1"]
    assert chart.mark == LEFT
