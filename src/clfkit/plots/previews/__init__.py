"""Figures of an experiment before it is trained: one file each, a function (ExperimentConfig, DataBundle) → Figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfkit.components import NoOptions, datasets, previews
from clfkit.config import ExperimentConfig
from clfkit.data.loading import load_bundle
from clfkit.plots import NothingToDraw
from clfkit.registry import Component

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def preview(component: Component[NoOptions], config: ExperimentConfig) -> Figure:
    """The figure of that name; reads the data of the config. Raises NothingToDraw, DataError."""
    needed = previews.entry(component.name).inputs
    _check(component.name, needed, datasets.entry(config.data.name).inputs)
    bundle = load_bundle(config.data, config.data_seed)
    _check(component.name, needed, bundle.spec.inputs)
    from clfkit.plots.style import styled

    with styled():
        figure: Figure = previews.build(component, config, bundle)
    return figure


def _check(name: str, needed: str | None, kind: str | None) -> None:
    if needed and kind and needed != kind:
        raise NothingToDraw(f"preview {name!r} needs {needed} data, and this experiment has {kind} data")
