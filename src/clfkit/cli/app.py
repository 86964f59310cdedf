"""The application: every command under its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from clfkit import __version__
from clfkit.cli import (
    check_data,
    compare,
    components,
    ensemble,
    eval,
    export,
    gradcheck,
    init,
    pack,
    plan,
    plot,
    predict,
    report,
    runs,
    schema,
    train,
    validate,
    verify,
)  # fmt: skip
from clfkit.cli.terminal import say

app = typer.Typer(
    name="clfkit",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"clfkit {__version__}")
        raise typer.Exit


@app.callback(epilog="Start with:  clfkit init   or   clfkit train configs/blobs.yaml")
def clfkit(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Classification experiments from one YAML file: train, evaluate, draw, remember."""


app.command("train", epilog="Example:  clfkit train configs/mnist.yaml --set train.epochs=2")(train.train)
app.command("plan", epilog="Example:  clfkit plan configs/mnist.yaml --set train.batch_size=256")(plan.plan)
app.command("check-data", epilog="Example:  clfkit check-data configs/omniglot.yaml --near")(check_data.check_data)
app.command("eval", epilog="Example:  clfkit eval --checkpoint latest --split valid")(eval.evaluate)
app.command("compare", epilog="Example:  clfkit compare 'outputs/blobs/*' --sort test.accuracy --out runs.html")(
    compare.compare
)
app.command("ensemble", epilog="Example:  clfkit ensemble outputs/digits/a outputs/digits/b")(ensemble.ensemble)
app.command("predict", epilog="Example:  clfkit predict --checkpoint outputs/mnist/RUN digit.png")(predict.predict)
app.command("export", epilog="Example:  clfkit export outputs/mnist/RUN --format onnx")(export.export)
app.command("report", epilog="Example:  clfkit report latest")(report.report)
app.command("plot", epilog="Example:  clfkit plot curves latest, or  clfkit plot optimizers RUN RUN …")(plot.plot)
app.command("plot-boundary", epilog="Example:  clfkit plot-boundary --checkpoint latest --out boundary.png")(
    plot.plot_boundary
)
app.command("gradcheck", epilog="Example:  clfkit gradcheck configs/digits.yaml")(gradcheck.gradcheck)
app.command("verify", epilog="Example:  clfkit verify latest --from previous")(verify.verify)
app.command("validate", epilog="Example:  clfkit validate configs/*.yaml")(validate.validate)
app.command("init", epilog="Example:  clfkit init --dataset mnist --model cnn")(init.init)
app.command("pack", epilog="Example:  clfkit pack configs/photos.yaml --out photos-shards > shards.yaml")(pack.pack)
app.command("list", epilog="Example:  clfkit list datasets")(components.list_components)
app.command("show", epilog="Example:  clfkit show model cnn")(components.show)
app.command("schema", epilog="Example:  clfkit schema > clfkit.schema.json")(schema.schema)
app.command("runs", epilog="Example:  clfkit runs --out outputs")(runs.runs)


def lone_resume(arguments: Sequence[str]) -> list[str]:
    """`--resume` without a run → `--resume=`: a following option or YAML file is not its value."""
    result = list(arguments)
    for at, word in enumerate(result):
        following = result[at + 1] if at + 1 < len(result) else ""
        if word == "--resume" and (not following or following.startswith("-") or following.endswith((".yaml", ".yml"))):
            result[at] = "--resume="
    return result
