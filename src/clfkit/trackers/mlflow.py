"""MLflow: a run in its store, beside those of other programs."""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from clfkit import __version__
from clfkit.components import trackers
from clfkit.errors import RunError, UsageError
from clfkit.options import Options, fault
from clfkit.registry import Component, plain
from clfkit.storage import changing
from clfkit.trackers import curves, ends, insist_on
from clfkit.wording import shown

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from clfkit.history import EpochRecord
    from clfkit.run import RunDirectory

SQLITE = "sqlite:///"
SQLITE_HEAD = b"SQLite format 3\0"
LONGEST_VALUE = 500
"""What a server of any version takes for a parameter; later ones take values of 6,000 characters."""
PARAMETERS_AT_ONCE = 100
METRICS_AT_ONCE = 1000

ENDED = {"finished": "FINISHED", "interrupted": "KILLED"}
"""What MLflow calls the end of a run; any other is FAILED."""

SURROUNDINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # it would tell its makers of every run
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds, instead of 120: a server that has gone must not hold up the end
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
}
"""Settings that MLflow takes from environment variables only; what is set already stays."""


def _store(uri: str) -> str:
    if re.match(r"[^/]*//[^/]*@", uri):
        raise fault(
            "must not hold a user, password or token, which every copy of the config would show; MLflow takes them "
            "from the environment: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        )
    if not re.fullmatch(r"(sqlite:///|https?://)[^?#\s]+", uri):
        raise fault(f"must be sqlite:///FILE, http://SERVER or https://SERVER, not {shown(uri)}")
    return uri


StoreURI = Annotated[str, AfterValidator(_store)]
"""Where MLflow keeps runs, without secrets."""


@trackers.register("mlflow")
def mlflow(
    run: RunDirectory,
    *,
    uri: StoreURI | None = None,
    experiment: Annotated[str, Field(min_length=1, max_length=500)] | None = None,
    checkpoint: bool = False,
) -> StoredRun:
    """Parameters, metrics, figures and evaluation in an MLflow store: a SQLite file, or a server.

    Options:
        uri: `sqlite:///FILE` or a server's `https://…`; by default mlflow.db in the folder of all experiments
        experiment: the experiment there that the run belongs to, by default the config's name
        checkpoint: store the best checkpoint too
    """
    file = None  # of an embedded store
    if uri is None:
        file = run.path.resolve().parents[1] / "mlflow.db"
    elif uri.startswith(SQLITE):
        file = Path(uri.removeprefix(SQLITE)).absolute()
    if file and set("%?#") & set(str(file)):
        raise UsageError(f"track: mlflow takes no %, ? or # in the path of its store, {file}; give another as uri")
    insist_on("mlflow", "mlflow", *(("sqlalchemy", "alembic") if file else ()))
    for name, value in SURROUNDINGS.items():
        os.environ.setdefault(name, value)
    return StoredRun(run, f"{SQLITE}{file}" if file else str(uri), experiment or run.config().name, file, checkpoint)


class StoredRun:
    """A run in an MLflow store. One that is resumed goes on as the same run there.

    A store only grows. So where it holds epochs that the run does not have, as after a larger train.max_steps has
    reopened the last one, that run is deleted there (`mlflow runs restore` brings it back) and written anew.
    """

    def __init__(self, run: RunDirectory, uri: str, experiment: str, file: Path | None, checkpoint: bool) -> None:
        self.run = run
        self.uri = uri
        self.experiment = experiment
        self.file = file
        self.checkpoint = checkpoint
        self._client: MlflowClient
        self._id: str

    def start(self, records: Sequence[EpochRecord]) -> None:
        """Find the run there, or make it; then bring it to where training begins."""
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.ERROR)  # not every table that it makes, nor every retry
        if self.file:
            _prepare(self.file)
        self._client = MlflowClient(self.uri)
        known = self.run.trackers.remembered("mlflow").get("run_id")
        there = self._epochs_of(known, records) if known else None
        if known is None or there is None:
            self._create()
        else:
            self._id = known
            self._client.update_run(known, status="RUNNING")
            self._note_changes()
        self._log_files()
        self.epochs([record for record in records if record.epoch not in (there or ())])

    def epochs(self, records: Sequence[EpochRecord]) -> None:
        """A point an epoch in every metric, at the step of its number."""
        from mlflow.entities import Metric

        batch: list[Metric] = []
        for record, ended in zip(records, ends(records), strict=True):
            points = [Metric(name, value, int(1000 * ended), record.epoch) for name, value in curves(record).items()]
            if len(batch) + len(points) > METRICS_AT_ONCE:
                self._client.log_batch(self._id, metrics=batch)
                batch = []
            batch += points
        self._client.log_batch(self._id, metrics=batch)

    def finish(self) -> None:
        """The test metrics and files of a run that is finished, and how it ended."""
        status = self.run.status().get("status")
        if status == "finished":
            self._log_results()
        self._client.set_terminated(self._id, ENDED.get(str(status), "FAILED"))

    def _log_results(self) -> None:
        from mlflow.entities import Metric

        if self.run.evaluation("test"):
            now, last = int(1000 * time.time()), len(self.run.history())
            test = {f"test.{name}": value for name, value in self.run.metrics("test").items() if value is not None}
            self._client.log_batch(self._id, metrics=[Metric(name, value, now, last) for name, value in test.items()])
        self._log_files()
        best = self.run.checkpoint_path("best")
        if self.checkpoint and best:
            self._client.log_artifacts(self._id, str(best), "checkpoints/best")

    def _log_files(self) -> None:
        for path in self.run.trackers.results():
            folder = path.relative_to(self.run.path).parent.as_posix()
            self._client.log_artifact(self._id, str(path), None if folder == "." else folder)

    def _epochs_of(self, run_id: str, records: Sequence[EpochRecord]) -> set[int] | None:
        """The epochs that are there of an earlier session; None where that run is gone, or is deleted now."""
        from mlflow.exceptions import MlflowException

        try:
            found = self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        if found.info.lifecycle_stage != "active":
            return None
        losses = {metric.step: metric.value for metric in self._client.get_metric_history(run_id, "train.loss")}
        if losses.items() <= {record.epoch: record.train_loss for record in records}.items():
            return set(losses)
        self._client.delete_run(run_id)
        return None

    def _create(self) -> None:
        from mlflow.entities import Param

        tags = {
            "mlflow.source.name": "clfkit",
            "clfkit.version": __version__,
            "clfkit.run": str(self.run.path.resolve()),
        }
        made = self._client.create_run(self._experiment_id(), run_name=self.run.id, tags=tags)
        self._id = made.info.run_id
        self.run.trackers.remember("mlflow", run_id=self._id)
        items = [Param(name, value) for name, value in parameters(self.run.config()).items()]
        for first in range(0, len(items), PARAMETERS_AT_ONCE):
            self._client.log_batch(self._id, params=items[first : first + PARAMETERS_AT_ONCE])

    def _experiment_id(self) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(self.experiment)
        if found is None:
            folder = (self.file.parent / "mlruns").as_uri() if self.file else None  # else of the current folder
            try:
                return str(self._client.create_experiment(self.experiment, artifact_location=folder))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":  # by another run that starts at the same time
                    raise
                found = self._client.get_experiment_by_name(self.experiment)
                assert found is not None, "it exists already"
        return str(found.experiment_id)

    def _note_changes(self) -> None:
        """Parameters stay what they were at the start; what a resumed run changes becomes a tag."""
        before = self._client.get_run(self._id).data.params
        for name, value in parameters(self.run.config()).items():
            if before.get(name) != value:
                self._client.set_tag(self._id, f"resumed.{name}", value)


def _prepare(file: Path) -> None:
    """See that the store can be written, since MLflow tries for minutes to open one that cannot. Raises RunError."""
    with changing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a+b") as opened:  # an empty file is an empty database
            opened.seek(0)
            head = opened.read(len(SQLITE_HEAD))
    if head not in (b"", SQLITE_HEAD):
        raise RunError(f"{file} is not a SQLite database")


def parameters(value: object, name: str = "") -> dict[str, str]:
    """Every option of an experiment by its dotted name, but for what tracks it: {"model": "mlp", "model.hidden": …}."""
    if isinstance(value, Component):
        return {name: value.name, **parameters(value.options, name)}
    if isinstance(value, Options):
        inner = ((key, getattr(value, key)) for key in type(value).model_fields if (name, key) != ("", "track"))
        return {
            key: text
            for part, each in inner
            for key, text in parameters(each, f"{name}.{part}" if name else part).items()
        }
    text = value if isinstance(value, str) and value else json.dumps(plain(value), ensure_ascii=False)
    return {name: text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"}
