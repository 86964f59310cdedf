"""What one of several processes draws for its samples is what one process draws for them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from clfkit.engines.pytorch.global_draws import Rows
from clfkit.engines.pytorch.whole_batch import as_whole_batch
from clfkit.models.stochastic_depth import stochastic_depth
from clfkit.world import World

Draws = Callable[[Tensor], Tensor]


def recomputed(older: bool) -> Draws:
    """Dropouts whose activations are not kept; the square makes the gradient depend on them."""

    class Squared(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.square()

    inner = nn.Sequential(nn.Dropout(0.3), Squared(), nn.Dropout(0.5), Squared())
    return lambda images: checkpoint(inner, images, use_reentrant=older)  # type: ignore[no-any-return]


EACH: dict[str, Draws] = {
    "dropout": nn.Dropout(0.3),
    "dropout in place": lambda images: nn.Dropout(0.3, inplace=True)(images + 0),
    "dropout that is off": nn.Dropout(0.3).eval(),
    "dropout of none": nn.Dropout(0.0),
    "dropout of all": nn.Dropout(1.0),
    "dropout of channels": nn.Dropout2d(0.3),
    "dropout of rows": lambda images: nn.Dropout1d(0.3)(images.flatten(2)),
    "dropout of volumes": lambda images: nn.Dropout3d(0.3)(images.unsqueeze(2)),
    "one after the other": nn.Sequential(nn.Dropout(0.3), nn.ReLU(), nn.Dropout(0.5), stochastic_depth(0.4)),
    "stochastic depth": stochastic_depth(0.4),
    "run once more on the way back": recomputed(False),
    "the same in the older way": recomputed(True),
    "numbers that are given": lambda images: images * torch.ones(len(images), 1, 1, 1).bernoulli_(torch.ones(1)),
    "windows": lambda images: functional.dropout(images.reshape(-1, 4), 0.3),
    "channels last": lambda images: functional.dropout(images.to(memory_format=torch.channels_last), 0.3),
    "axes changed": lambda images: functional.dropout(images.permute(0, 2, 3, 1), 0.3),
    "noise": lambda images: images + torch.randn_like(images),
    "uniform noise": lambda images: images + torch.rand_like(images),
    "noise in place": lambda images: images + torch.empty(len(images), 3, 1, 1).normal_(1, 2).uniform_(3, 4),
    "a number": lambda images: images + torch.rand(()),
    "a generator of its own": lambda images: images + torch.rand(4, generator=torch.Generator().manual_seed(3)),
}


LARGE_SHARES: dict[str, Draws] = {
    "noise of a size": lambda images: images + torch.randn(len(images), 1, 1, 1),
    "uniform noise of a size": lambda images: images * torch.rand((len(images), 1, 4, 4)),
    "samples not first in memory": lambda images: functional.dropout(
        images.transpose(0, 1).clone().transpose(0, 1), 0.3
    ),
    "noise for all alike": lambda images: images + torch.rand(2, 1, 4, 4)[:1],
}
"""With one sample a share, the layout is not to be seen, nor is whether noise is for all samples."""


@pytest.mark.parametrize("batch", [7, 2])
@pytest.mark.parametrize("size", [2, 5])
@pytest.mark.parametrize("case", EACH)
def test_each_sample_meets_what_it_meets_in_one_process(case: str, batch: int, size: int) -> None:
    """In batches of 2, some of 5 processes have no sample; how many windows one has is then not to be seen."""
    if case != "windows" or batch >= size:
        check(EACH[case], batch, size)


@pytest.mark.parametrize("case", LARGE_SHARES)
def test_where_shares_are_large_other_layouts_are_the_same_too(case: str) -> None:
    check(LARGE_SHARES[case], 7, 2)


def check(function: Draws, batch: int, size: int) -> None:
    images = torch.linspace(1, 2, batch * 48).reshape(batch, 3, 4, 4)
    expected, gradient = drawn(function, images)
    found = []
    for rank in range(size):
        world = World()
        world.rank, world.size = rank, size
        (own,) = world.share(batch)
        with as_whole_batch(Rows(own.start, own.stop, batch, batch // size)):
            found.append(drawn(function, images[own]))
    assert torch.equal(torch.cat([values for values, _ in found]), expected)
    assert torch.equal(torch.cat([gradients for _, gradients in found]), gradient)


def drawn(function: Draws, images: Tensor) -> tuple[Tensor, Tensor]:
    """Two results of a function, since the second shows whether the first left the generator as it should, and the
    gradient of their sum."""
    images = images.clone().requires_grad_()
    torch.manual_seed(5)
    first, second = function(images), function(images)
    (first.sum() + second.sum()).backward()
    assert images.grad is not None
    joined = torch.cat([first.reshape(-1, *first.shape[1:]), second], 1) if first.ndim > 1 else first
    return joined.detach(), images.grad


def test_backward_keeps_the_factors_of_its_own_samples_alone() -> None:
    images = torch.ones(4, 100, requires_grad=True)
    torch.manual_seed(5)
    with as_whole_batch(Rows(4, 8, 64, 4)):
        result = nn.Dropout(0.3)(images)
    assert result.grad_fn is not None
    assert result.grad_fn._saved_other.untyped_storage().nbytes() == 4 * 100 * 4


@pytest.mark.parametrize("draw", [lambda: torch.rand(1), lambda: torch.rand(()), lambda: torch.randn(3, 2)])
def test_what_is_for_all_samples_is_the_same_in_all_processes(draw: Callable[[], Tensor]) -> None:
    """Shares of one sample and two."""
    found = []
    for start, stop in ((0, 1), (1, 3)):
        torch.manual_seed(5)
        with as_whole_batch(Rows(start, stop, 3, 1)):
            found.append(torch.cat([draw().ravel(), draw().ravel()]))
    torch.manual_seed(5)
    alone = torch.cat([draw().ravel(), draw().ravel()])
    assert all(torch.equal(each, alone) for each in found)


def test_arguments_by_name_are_drawn_as_they_are() -> None:
    with as_whole_batch(Rows(0, 2, 4, 2)):
        assert torch.rand_like(input=torch.ones(2, 3)).shape == (2, 3)
        assert torch.rand(size=(2, 3)).shape == (2, 3)
