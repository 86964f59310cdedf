"""Optimizers: how weights follow the gradient. Each gets parameter groups and returns a torch optimizer."""

from __future__ import annotations

from typing import Any

ParameterGroups = list[dict[str, Any]]
"""As torch.optim takes them: {"params": […], "weight_decay": …} each."""
