"""clfkit plot: draw a figure of a trained model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clfkit.cli.arguments import CheckpointSource, Plugins
from clfkit.cli.terminal import say
from clfkit.components import plots
from clfkit.errors import UsageError

if TYPE_CHECKING:
    from clfkit.registry import Component

PlotFile = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Where to write (.png, .svg, .pdf); by default the run's plots folder."),
]
Root = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Folder that `latest` looks in.")]


def plot(
    name: Annotated[
        str, typer.Argument(metavar="PLOT", help="Which one; see `clfkit list plots`.", show_default=False)
    ],
    checkpoint: CheckpointSource,
    out: PlotFile = None,
    options: Annotated[
        list[str],
        typer.Option("--set", metavar="OPTION=VALUE", help="Option of the plot; see `clfkit show plot NAME`."),
    ] = [],
    root: Root = Path("outputs"),
    plugin: Plugins = [],
) -> None:
    """Draw a figure of a trained model."""
    from clfkit.document import parse_value

    values = {}
    for text in options:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set {text}: must look like option=value")
        values[key] = parse_value(value, f"--set {text}")
    _draw(_component(name, values), checkpoint, out, root)


def plot_boundary(
    checkpoint: CheckpointSource,
    out: PlotFile = None,
    features: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Two features to draw, the others at their median; by default a PCA plane."),
    ] = None,
    root: Root = Path("outputs"),
    plugin: Plugins = [],
) -> None:
    """Draw the decision boundary on train and test data, before and after training."""
    chosen = {"features": tuple(name.strip() for name in features.split(","))} if features else {}
    _draw(_component("boundary", chosen), checkpoint, out, root)


def _component(name: str, options: Mapping[str, Any]) -> Component[Any]:
    """A plot with its options. Raises UsageError with all that is wrong."""
    from pydantic import ValidationError

    plots.entry(name)
    try:
        return plots.parse({**options, "name": name})
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, line['loc']))}: {line['msg']}" for line in error.errors()]
        raise UsageError("; ".join(faults)) from None


def _draw(component: Component[Any], checkpoint: str, out: Path | None, root: Path) -> None:
    from clfkit.classifier import load
    from clfkit.plots import FORMATS, draw, save

    classifier = load(checkpoint, root)
    figure = draw(component, classifier)
    if out is not None:
        paths = [out]
    elif classifier.run is not None:
        paths = [classifier.run.plot_path(component.name, suffix) for suffix in FORMATS]
    else:
        paths = [Path(f"{component.name}.png")]
    for path in paths:
        say(str(save(figure, path)))
