"""clfkit plot: draw a figure of a trained model, of several, or of an experiment before it is trained."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clfkit.cli.advice import images_of_experiment
from clfkit.cli.arguments import CheckpointSource, Plugins, RunsRoot
from clfkit.cli.terminal import complain, say
from clfkit.errors import UnknownName, UsageError
from clfkit.wording import closest, meant, shown

if TYPE_CHECKING:
    from clfkit.plots import Drawing
    from clfkit.registry import Component, Registry

PlotFile = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="Where to write (.png, .svg, .pdf; an animation .gif, .html); by default the run's plots folder, else "
        "this folder.",
    ),
]


def plot(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Which one; see `clfkit list` plots, comparisons and previews.", show_default=False
        ),
    ],
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="[RUN]...",
            help="Run directory or id, checkpoint folder, or `latest`; several for a comparison, a YAML for a preview.",
            show_default=False,
        ),
    ] = [],
    checkpoint: Annotated[
        str | None, typer.Option("--checkpoint", metavar="RUN", help="The same as RUN.", show_default=False)
    ] = None,
    out: PlotFile = None,
    options: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="OPTION=VALUE",
            help="Option of the plot, see `clfkit show plot NAME`; for a preview also one of the experiment.",
        ),
    ] = [],
    root: RunsRoot = Path("outputs"),
    plugin: Plugins = [],
) -> None:
    """Draw a figure of a trained model, one that compares several, or one of an experiment's YAML file."""
    from clfkit.components import comparisons, previews

    registry = _registry(name)
    sources = [*runs, *([] if checkpoint is None else [checkpoint])]
    if registry is previews:
        _draw_preview(name, sources, out, options)
        return
    component = _component(registry, name, _options(options))
    if not sources:
        raise UsageError(f"{registry.kind} {name!r} needs a run: clfkit plot {name} RUN, or `latest` for RUN")
    if registry is comparisons:
        _draw_comparison(component, sources, out, root)
    elif len(sources) > 1:
        several = ", ".join(comparisons.names())
        raise UsageError(f"plot {name!r} draws one run, not {len(sources)}; these compare several: {several}")
    else:
        _draw(component, sources[0], out, root)


def plot_boundary(
    checkpoint: CheckpointSource,
    out: PlotFile = None,
    features: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Two features to draw, the others at their median; by default a PCA plane."),
    ] = None,
    root: RunsRoot = Path("outputs"),
    plugin: Plugins = [],
) -> None:
    """Draw the decision boundary on train and test data, before and after training."""
    from clfkit.components import plots

    chosen = {"features": tuple(name.strip() for name in features.split(","))} if features else {}
    _draw(_component(plots, "boundary", chosen), checkpoint, out, root)


def _registry(name: str) -> Registry[Any]:
    """Where a figure of that name is registered. Raises UnknownName, which lists all kinds."""
    from clfkit.components import comparisons, plots, previews

    for registry in (plots, comparisons, previews):
        if name in registry.names():
            return registry
    every = [*plots.names(), *comparisons.names(), *previews.names()]
    kinds = (
        f"plots of one run: {', '.join(plots.names())}; comparisons of several: {', '.join(comparisons.names())}; "
        f"previews of a YAML file: {', '.join(previews.names())}"
    )
    raise UnknownName(f"unknown plot {shown(name)}; {meant(name, every) if closest(name, every) else kinds}")


def _options(texts: Sequence[str]) -> dict[str, Any]:
    """`option=value` of each `--set`. Raises UsageError."""
    from clfkit.document import parse_value

    values = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set {text}: must look like option=value")
        values[key] = parse_value(value, f"--set {text}")
    return values


def _component(registry: Registry[Any], name: str, options: Mapping[str, Any]) -> Component[Any]:
    """A plot with its options. Raises UsageError with all that is wrong."""
    from pydantic import ValidationError

    try:
        return registry.parse({**options, "name": name})
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, line['loc']))}: {line['msg']}" for line in error.errors()]
        raise UsageError("; ".join(faults)) from None


def _draw(component: Component[Any], source: str, out: Path | None, root: Path) -> None:
    from clfkit.classifier import load
    from clfkit.plots import draw, formats
    from clfkit.progress import listener
    from clfkit.reporting import heard_by

    classifier = load(source, root)
    drawing = draw(component, classifier)
    suffixes = formats(drawing)
    if out is not None:
        paths = [out]
    elif classifier.run is not None:
        paths = [classifier.run.plot_path(component.name, suffix) for suffix in suffixes]
    else:
        paths = [Path(f"{component.name}.{suffixes[0]}")]
    with heard_by(listener(quiet=False)):  # frames are drawn when they are written
        _write(drawing, paths)


def _draw_comparison(component: Component[Any], sources: Sequence[str], out: Path | None, root: Path) -> None:
    """Draw several runs; since none of them owns the figure, it goes into the current folder."""
    from clfkit.classifier import load
    from clfkit.plots import FORMATS
    from clfkit.plots.comparisons import UnlikeRuns, compare

    classifiers = [load(source, root) for source in sources]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UnlikeRuns)
        figure = compare(component, classifiers)
    for warning in caught:
        if issubclass(warning.category, UnlikeRuns):
            complain(f"note: {warning.message}")
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    _write(figure, [out] if out else [Path(f"{component.name}.{suffix}") for suffix in FORMATS])


def _draw_preview(name: str, sources: Sequence[str], out: Path | None, options: Sequence[str]) -> None:
    """Draw what an experiment will do. What is set and is no option of the preview is one of the experiment."""
    from clfkit.components import previews
    from clfkit.config import load_config
    from clfkit.plots import FORMATS
    from clfkit.plots.previews import preview
    from clfkit.progress import listener
    from clfkit.reporting import heard_by

    if len(sources) != 1:
        raise UsageError(f"preview {name!r} draws one experiment: clfkit plot {name} CONFIG, a YAML file")
    if not Path(sources[0]).exists():
        raise UsageError(f"{sources[0]}: no such file; preview {name!r} draws an experiment's YAML file, not a run")
    own = [text for text in options if text.partition("=")[0] in previews.entry(name).own]
    component = _component(previews, name, _options(own))
    with heard_by(listener(quiet=False)), images_of_experiment():
        figure = preview(component, load_config(sources[0], [text for text in options if text not in own]))
    _write(figure, [out] if out else [Path(f"{name}.{suffix}") for suffix in FORMATS])


def _write(drawing: Drawing, paths: Sequence[Path]) -> None:
    from clfkit.plots import save

    for path in paths:
        say(str(save(drawing, path)))
