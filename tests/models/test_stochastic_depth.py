"""Stochastic depth against what Huang et al. say, and against torchvision's."""

from __future__ import annotations

import torch
from torch import nn

from clfkit.models.stochastic_depth import stochastic_depth
from clfkit.vision import torchvision


def test_it_is_torchvisions() -> None:
    images = torch.rand(16, 3, 2, 2, requires_grad=True)
    torch.manual_seed(1)
    ours = stochastic_depth(0.3)(images)
    torch.manual_seed(1)
    theirs = torchvision().ops.stochastic_depth(images, 0.3, "row")
    assert torch.equal(ours, theirs)
    assert {len(set(sample.tolist())) for sample in (ours == 0).flatten(1)} == {1}  # whole samples


def test_evaluation_and_a_rate_of_0_change_nothing() -> None:
    inputs, before = torch.rand(5, 4), torch.random.get_rng_state()
    assert torch.equal(stochastic_depth(0.9).eval()(inputs), inputs)
    assert isinstance(stochastic_depth(0.0), nn.Identity)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_expected_value_stays() -> None:
    torch.manual_seed(0)
    mean = stochastic_depth(0.25)(torch.ones(100_000, 1)).mean().item()
    assert abs(mean - 1) < 0.01
