"""Mixed samples on their way to the model: batches fetched with a partner for each sample, and what they are worth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clfkit.components import NoOptions
from clfkit.data.bundle import DataSpec, IndexArray
from clfkit.engines.pytorch.feed import Feed
from clfkit.losses import Loss
from clfkit.mixings import Mixer
from clfkit.registry import Component


@dataclass(frozen=True)
class Targets:
    """What a model is to say of a batch: a label for each sample (n,), of mixed samples two and the share of the first.

    The loss of a mixed sample is share · loss(label) + (1 - share) · loss(other label).
    """

    labels: Tensor
    others: Tensor | None = None
    shares: Tensor | None = None

    def split(self, sizes: list[int]) -> list[Targets]:
        """The same for consecutive pieces of the batch, of these sizes."""
        labels = torch.split(self.labels, sizes)
        if self.others is None or self.shares is None:
            return [Targets(each) for each in labels]
        every = zip(labels, torch.split(self.others, sizes), torch.split(self.shares, sizes), strict=True)
        return [Targets(*each) for each in every]

    def weight(self, loss: Loss) -> Tensor | float:
        """Sum of the weights of the samples."""
        if self.others is None or self.shares is None:
            return loss.weight(self.labels)
        return loss.weight(self.labels, self.shares) + loss.weight(self.others, 1 - self.shares)

    def total(self, loss: Loss, logits: Tensor) -> Tensor:
        """Sum of the weighted losses of logits (n, outputs)."""
        if self.others is None or self.shares is None:
            return loss.torch(logits, self.labels)[0]
        return loss.torch(logits, self.labels, self.shares)[0] + loss.torch(logits, self.others, 1 - self.shares)[0]

    @property
    def likeliest(self) -> Tensor:
        """The label (n,) that has the larger share of each sample."""
        if self.others is None or self.shares is None:
            return self.labels
        return torch.where(self.shares >= 0.5, self.labels, self.others)


class MixedFeed:
    """Batches of a feed whose samples are mixed with their partners, which are augmented like any sample."""

    def __init__(self, feed: Feed, mixing: Component[NoOptions], spec: DataSpec) -> None:
        self._feed = feed
        self._mixer = Mixer(mixing, spec, len(feed))

    def batch(self, indices: IndexArray, key: int) -> tuple[Tensor, Targets]:
        """Inputs (n, …) and targets of the samples at `indices`, in the epoch of that key.

        Normalised samples are mixed, which is the same as normalising mixed ones. Partners outside memory are not read
        ahead, since nobody knows the key before.
        """
        inputs, labels = self._feed.batch(indices, key)  # first: these may have been read ahead
        partners, others = self._feed.batch(self._mixer.partners(key, indices), key)
        mixed, shares = self._mixer(inputs, partners, key, indices)
        exact = torch.float32 if labels.device.type == "mps" else torch.float64
        return mixed, Targets(labels, others, torch.from_numpy(shares).to(exact).to(labels.device))
