"""clfkit train: run an experiment, or continue one."""

from __future__ import annotations

import json
import math
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clfkit.cli.advice import images_of_experiment
from clfkit.cli.arguments import AsJson, OutputRoot, Overrides, Plugins, Quiet
from clfkit.cli.terminal import between, calibrated, columns, compared, complain, possible, say, telling
from clfkit.errors import ClfkitError, Interrupted, UsageError, WorkerLost
from clfkit.interruption import Interruption, Stopped

if TYPE_CHECKING:
    from clfkit.config import ExperimentConfig
    from clfkit.profiling import Profile, Row
    from clfkit.run import RunDirectory
    from clfkit.timing import Stopwatch
    from clfkit.world import World


def train(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Argument(metavar="CONFIG", help="YAML file of the experiment.", show_default=False)
    ] = None,
    overrides: Overrides = [],
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            metavar="[RUN]",
            help="Continue a run exactly where it stopped; without RUN the latest of CONFIG.",
        ),
    ] = None,
    out: OutputRoot = Path("outputs"),
    run_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Name of the run's folder; by default the time.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Resume although options have changed.")] = False,
    find_lr: Annotated[
        bool,
        typer.Option(
            "--find-lr",
            help="Train nothing: look for a learning rate, and draw find-lr.png into this folder or --out.",
        ),
    ] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Print where the time of a training step goes.")] = False,
    processes: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            show_default=False,
            help="Train with so many processes on this machine, as torchrun would.",
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
    plugin: Plugins = [],
) -> None:
    """Train, evaluate and draw the experiment of a YAML file."""
    from clfkit.cli import processes as launch

    if find_lr:
        if not launch.first_of_torchrun():
            return
        of_a_run = {
            "--resume": resume is not None, "--run-id": run_id, "--force": force, "--profile": profile,
            "--processes": processes,
        }  # fmt: skip
        unfit = [option for option, given in of_a_run.items() if given]
        _find_lr(_config(config, overrides, resume), unfit, _given(context, "out"), quiet, as_json)
        return
    if launch.to_start(processes):
        assert processes is not None, "there is something to start"
        raise typer.Exit(launch.start(sys.argv[1:], processes))
    world = launch.join(processes)
    from clfkit.profiling import Profile
    from clfkit.timing import Stopwatch, process_start

    clock = (Profile if profile else Stopwatch)(process_start())
    with _one_voice(world), Interruption(at_once=True, grace=world.grace), images_of_experiment():
        wanted = _config(config, overrides, resume)
        run = _trained(wanted, overrides, resume, out, run_id, force, quiet, plugin, clock, world)
    if world.rank:
        return
    if as_json:
        typer.echo(json.dumps(_result(run)))
    elif not quiet:
        _summarise(run)
    if isinstance(clock, Profile):
        _show_profile(clock)


def _given(context: typer.Context, name: str) -> Path | None:
    """A path, if it was typed and is not the default."""
    source = context.get_parameter_source(name)
    typed: Path | None = None if source is None or source.name == "DEFAULT" else context.params[name]
    return typed


def _find_lr(
    config: ExperimentConfig | None, unfit: list[str], folder: Path | None, quiet: bool, as_json: bool
) -> None:
    """Raises UsageError for options that only a run has: `unfit`."""
    if config is None or unfit:
        raise UsageError(f"--find-lr tests a fresh model and keeps no run: no place for {' and '.join(unfit)}")
    from clfkit.cli.find_lr import find_rate_of

    find_rate_of(config, folder or Path(), quiet=quiet, as_json=as_json)  # as with comparisons: it is no run's figure


def _trained(
    wanted: ExperimentConfig | None, overrides: list[str], resume: str | None, out: Path, run_id: str | None,
    force: bool, quiet: bool, plugin: list[Path], clock: Stopwatch, world: World,
) -> RunDirectory:  # fmt: skip
    """The finished run. Whatever stops it says how to continue."""
    from clfkit import experiment
    from clfkit.progress import Quiet as Silence
    from clfkit.progress import listener

    watch = Silence() if world.rank else listener(quiet)
    run: RunDirectory | None = None
    try:
        if resume is None:
            assert wanted is not None, "_config insists on a file here"
            run = _new_run(out, wanted, run_id, world)
            experiment.run_experiment(run, wanted, watch, clock, world=world)
        else:
            run = _run_to_resume(resume, out, wanted, world)
            if wanted is None and overrides:
                wanted = _with_overrides(run, overrides)
            experiment.resume_run(run, watch, wanted, force=force, clock=clock, world=world)
    except Interrupted as stop:
        raise Interrupted(f"{stop}; {_how_to_continue(run, plugin)}", stop.exit_code - 128) from None
    except WorkerLost as loss:
        raise WorkerLost(f"{loss}; {_how_to_continue(run, plugin)}") from loss
    except KeyboardInterrupt as stop:
        number = stop.number if isinstance(stop, Stopped) else signal.SIGINT
        by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
        raise Interrupted(f"stopped at once{by}; {_how_to_continue(run, plugin)}", number) from None
    return run


@contextmanager
def _one_voice(world: World) -> Iterator[None]:
    """Of several processes rank 0 speaks, for the others too: they leave it word of what went wrong with them."""
    try:
        with world.guard():
            yield
    except ClfkitError as error:
        if not world.rank:
            raise
        if isinstance(error, Interrupted):
            world.await_first()  # it may still be writing, and a launcher ends all as soon as one has ended
        elif not isinstance(error, WorkerLost):
            world.report(f"process {world.rank}: {error}")
        raise typer.Exit(error.exit_code) from error
    finally:
        if not world.rank:
            world.report("done")


def _new_run(out: Path, wanted: ExperimentConfig, run_id: str | None, world: World) -> RunDirectory:
    """Rank 0 makes the run's folder, the others are told which."""
    from clfkit.run import RunDirectory
    from clfkit.watching import WatchedRun

    run = None if world.rank else RunDirectory.create(out, wanted, run_id)
    path = world.first(str(run.path) if run else "")
    return run or WatchedRun(Path(path))


def _how_to_continue(run: RunDirectory | None, plugins: list[Path]) -> str:
    """What was kept, and the command that goes on from there."""
    if run is None or not run.path.exists():
        return "nothing had begun"
    if run.status()["status"] == "finished":
        return f"the run is finished: {run.path}"
    kept = "the checkpoint is kept. Continue" if run.checkpoint_path("last") else "nothing was kept yet. Begin anew"
    return f"{kept} with\n  clfkit train --resume {shlex.quote(str(run.path))}" + "".join(
        f" --plugin {shlex.quote(str(path))}" for path in plugins
    )


def _evaluated(run: RunDirectory) -> list[str]:
    """The splits that the run was scored on: valid and test, or train where there is neither."""
    return [split for split in ("train", "valid", "test") if run.evaluation(split)]


def _result(run: RunDirectory) -> dict[str, object]:
    """What `--json` prints: the test split, or the next best there is."""
    split = _evaluated(run)[-1]
    ends = (run.evaluation(split) or {}).get("intervals", {})
    return {"run": str(run.path), "split": split, "metrics": run.metrics(split), "intervals": ends}


def _config(config: Path | None, overrides: list[str], resume: str | None) -> ExperimentConfig | None:
    """The config as typed; None when a run is resumed as it was."""
    if config is not None:
        from clfkit.config import load_config

        return load_config(config, overrides)
    if not resume:
        raise UsageError("clfkit train needs the YAML file of an experiment, or --resume RUN")
    return None


def _run_to_resume(resume: str, out: Path, wanted: ExperimentConfig | None, world: World) -> RunDirectory:
    """Rank 0 looks for the run; all open the one that it found."""
    from clfkit.watching import WatchedRun

    run = None if world.rank else _found(resume, out, wanted)
    path = world.first(str(run.path) if run else "")
    return run or WatchedRun.open(Path(path))


def _found(resume: str, out: Path, wanted: ExperimentConfig | None) -> RunDirectory:
    from clfkit.resuming import resumable_run
    from clfkit.run import RunDirectory, run_called

    if not resume:
        assert wanted is not None, "_config insists on a file here"
        return resumable_run(out, wanted)
    return run_called(resume, out) or RunDirectory.open(Path(resume))


def _with_overrides(run: RunDirectory, overrides: list[str]) -> ExperimentConfig:
    from clfkit.config import override_config

    return override_config(run.config(), overrides)


def _summarise(run: RunDirectory) -> None:
    """The table at the end of a run, and where everything was written."""
    from clfkit.timing import in_words

    status = run.status()
    splits = {split: run.evaluation(split) or {} for split in _evaluated(run)}
    scores = [telling(each["metrics"], len(each["classes"])) for each in splits.values()]
    names = sorted({name for values in scores for name in values})  # a split may lack rare classes, and their metrics
    *_, last = splits
    ends = splits[last].get("intervals", {})
    rows = [[name, *(values.get(name) for values in scores), between(ends.get(name))] for name in names]
    say()
    say(f"best epoch {status.get('best_epoch')} of {len(run.history())}; {in_words(status.get('timing', {}))}")
    say(columns(rows, ["", *splits, f"95 % interval of {last}"]))
    if line := possible(splits[last].get("bayes")):
        say(f"\n{line}")
    model, scored = run.config().model.name, splits[last]
    if table := compared(model, scored["metrics"], scored.get("baselines", {}), ends.get("accuracy")):
        say(f"\ncompared on {last}\n{table}")
    if line := calibrated(splits[last]["metrics"], splits[last].get("calibration", {})):
        say(f"\n{last} {line}")
    if suspects := len(splits[last].get("label_errors", ())):
        labels = "1 label" if suspects == 1 else f"{suspects} labels"
        say(f"\n{labels} of {last} may be wrong: clfkit eval --checkpoint {shlex.quote(str(run.path))}")
    say()
    written = {what: str(path) for what, path in run.written().items()}
    if "plots" in written:
        written["plots"] += f"  ({', '.join(run.plots())})"
    say(columns(written.items()))


def _show_profile(profile: Profile) -> None:
    """On standard error beside `--json`, where the result alone is on standard output."""
    rows, training = profile.rows(), profile.seconds["training"]
    if not profile.samples:
        complain("no step was left to profile")
        return
    table = [
        (row.part, f"{row.seconds:.2f}", f"{row.seconds / training:.0%}", f"{row.times:,}", _each(row)) for row in rows
    ]
    rate, roof = profile.samples_a_second(), profile.roof()
    compared = f", {rate / roof:.1%} of the {roof:,.0f} that the matrix products of this machine would allow"
    complain(
        f"\nwhere {training:.1f} s of training went\n\n"
        + columns(table, ("part", "seconds", "share", "times", "each"))
        + f"\n\n{rate:,.0f} samples a second in steps"
        + (compared if math.isfinite(roof) else "")
    )


def _each(row: Row) -> str:
    if not row.times:
        return ""
    seconds = row.seconds / row.times
    return f"{1e3 * seconds:.2f} ms" if seconds >= 1e-3 else f"{1e6 * seconds:.0f} µs"
