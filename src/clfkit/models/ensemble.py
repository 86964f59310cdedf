"""An ensemble: several trained networks whose class probabilities are averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from clfkit.components import LossOptions, NoOptions, losses, models
from clfkit.data.bundle import DataSpec
from clfkit.models.modules import as_modules
from clfkit.models.plan import Plan
from clfkit.models.trial import refusals
from clfkit.options import Options
from clfkit.registry import Component

if TYPE_CHECKING:
    from torch import Tensor, nn

ANY_MODEL = (
    PlainValidator(models.parse),
    PlainSerializer(lambda chosen: chosen.plain()),
    WithJsonSchema({}),
)
"""A model as an option. The registry itself would describe all models here, and so this one within itself, forever."""


class Member(Options):
    """One network, and the loss that says how its logits become probabilities."""

    model: Annotated[Component[NoOptions], *ANY_MODEL] = Field(description="the network")
    loss: Annotated[Component[LossOptions], losses, WithJsonSchema({})] = Field(
        "cross_entropy", validate_default=True, description="the loss that it was trained with"
    )


@models.register("ensemble")
def ensemble(spec: DataSpec, outputs: int, *, members: Annotated[tuple[Member, ...], Field(min_length=1)]) -> nn.Module:
    """Averages the class probabilities of several networks: what `clfkit ensemble` makes.

    Inputs (N, …) → log of the mean of the members' probabilities (N, outputs), whose softmax is that mean.
    A member may have been trained with another order of the classes, or another mean and deviation of the inputs: its
    buffers `columns`, `scale` and `shift` say how its own become those of the ensemble.

    Options:
        members: the networks, each with its loss.
    """
    import torch
    from torch import nn

    per_channel = (1, -1) + (1,) * (len(spec.shape) - 1)

    class EnsembleMember(nn.Module):
        columns: Tensor
        scale: Tensor
        shift: Tensor

        def __init__(self, member: Member) -> None:
            super().__init__()
            self.loss = losses.build(member.loss, spec.classes, 0.0, None)
            built: Plan | nn.Module = models.build(member.model, spec, self.loss.outputs)
            self.model = nn.Sequential(*as_modules(built.layers)) if isinstance(built, Plan) else built
            self.register_buffer("columns", torch.arange(len(spec.classes)))
            self.register_buffer("scale", torch.ones(len(spec.mean)))
            self.register_buffer("shift", torch.zeros(len(spec.mean)))

        def forward(self, inputs: Tensor) -> Tensor:
            own = inputs * self.scale.reshape(per_channel) + self.shift.reshape(per_channel)
            logits = self.model(own).to(own.dtype)  # from bf16, where the engine computes in it
            probabilities: Tensor = self.loss.probabilities(logits)
            return probabilities[:, self.columns]

    class Ensemble(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.members = nn.ModuleList(map(EnsembleMember, members))

        def forward(self, inputs: Tensor) -> Tensor:
            mean = torch.stack([member(inputs) for member in self.members]).mean(dim=0)
            return mean.clamp_min(torch.finfo(mean.dtype).tiny).log()  # of a class that all rule out: -87, not -∞

    with refusals("an ensemble's member", spec):
        return Ensemble()
