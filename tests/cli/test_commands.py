"""eval, predict, plot, runs, init, list, show, schema, validate: what each prints and refuses."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from clfkit import evaluation
from clfkit.components import ALL
from clfkit.config import load_config
from clfkit.run import RunDirectory

COMMANDS = (
    "train", "eval", "predict", "plot", "plot-boundary", "validate", "init", "list", "show", "schema", "runs",
    "ensemble",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(cli, command: str) -> None:
    done = cli(command, "--help")
    assert done.code == 0
    assert f"Example:  clfkit {command}" in done.out


def test_eval_json(cli, trained: Path) -> None:
    done = cli("eval", "--checkpoint", trained, "--split", "valid", "--json")
    result = json.loads(done.out)
    assert (result.pop("run"), result["split"]) == (str(trained), "valid")
    assert result.pop("seconds") >= 0
    assert result == json.loads((trained / "evaluation/valid.json").read_text())


def test_predict_calibrated(cli, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("x,y\n0.5,0.5\n1,-2\n")
    plain, calibrated = (
        cli("predict", tmp_path / "new.csv", "--checkpoint", trained, "--probabilities", *more)
        for more in ((), ("--calibrated",))
    )
    assert plain.code == calibrated.code == 0
    rows = [[line.split(",") for line in done.out.splitlines()[1:]] for done in (plain, calibrated)]
    assert [row[:2] for row in rows[0]] == [row[:2] for row in rows[1]]
    assert [row[2:] for row in rows[0]] != [row[2:] for row in rows[1]]


def test_the_run_may_stand_alone_but_only_once(cli, trained: Path) -> None:
    assert cli("eval", trained).out.splitlines()[0].split(" in ")[0] == f"{trained} on test: 40 samples"
    for wrong in ((), (trained, "--checkpoint", trained)):
        done = cli("eval", *wrong)
        assert (done.code, done.err.startswith("clfkit: which run? ")) == (2, True)


def test_views_have_no_temperature(cli, trained_digits: Path, tmp_path: Path) -> None:
    views = ("--checkpoint", trained_digits, "--tta", "2", "--set", "train.augment=[shift]")
    assert "temperature" not in json.loads(cli("eval", *views, "--json").out)["calibration"]
    done = cli("predict", tmp_path, *views, "--calibrated")
    assert done.code == 2
    assert done.err.startswith("clfkit: --calibrated: ") and "--tta" in done.err


def test_eval_names_confused_classes_and_the_temperature(cli, trained: Path) -> None:
    kept = json.loads((trained / "evaluation/test.json").read_text())
    done = cli("eval", "--checkpoint", trained)
    assert f"at temperature {kept['calibration']['temperature']:g}, fitted on valid: ece" in done.out
    assert ("confused most often" in done.out) == bool(kept["confused"])
    assert ("labels that the model contradicts" in done.out) == bool(kept["label_errors"])


def test_eval_shows_intervals(cli, trained: Path) -> None:
    low, high = json.loads((trained / "evaluation/test.json").read_text())["intervals"]["accuracy"]
    done = cli("eval", "--checkpoint", trained)
    assert f"{low:.4f} to {high:.4f}" in next(line for line in done.out.splitlines() if line.startswith("accuracy"))


@pytest.mark.parametrize("source", ["{run}", "{run}/checkpoints/best", "{run}/checkpoints/last", "latest"])
def test_eval_takes_runs_checkpoints_and_latest(cli, trained: Path, source: str) -> None:
    done = cli("eval", "--checkpoint", source.format(run=trained), "--out", trained.parents[1])
    assert done.code == 0
    assert "accuracy" in done.out
    assert "precision" in done.out


def test_eval_of_a_checkpoint_that_was_copied_elsewhere(cli, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "checkpoints/best", tmp_path / "alone")
    done = cli("eval", "--checkpoint", tmp_path / "alone", "--json")
    assert json.loads(done.out)["metrics"]["accuracy"] == pytest.approx(
        json.loads((trained / "evaluation/test.json").read_text())["metrics"]["accuracy"]
    )


def test_eval_warns_when_the_data_has_changed_and_keeps_the_old_result(cli, trained: Path) -> None:
    before = (trained / "evaluation/test.json").read_bytes()
    done = cli("eval", "--checkpoint", trained, "--set", "data.seed=6")
    assert done.code == 0
    assert "not what the model was trained with" in done.err
    assert (trained / "evaluation/test.json").read_bytes() == before


def test_a_result_is_not_kept_with_a_run_that_has_gone_on(cli, trained: Path, tmp_path: Path, monkeypatch) -> None:
    run = RunDirectory(Path(shutil.copytree(trained, tmp_path / "run")))
    run.discard_results()
    scored = evaluation.evaluate

    def meanwhile(*arguments: object) -> object:
        best = run.checkpoint("best")
        state = best.state.model_copy(update={"best_epoch": best.state.best_epoch + 1})
        records = (*best.records, best.records[-1])
        run.save_checkpoint("best", dataclasses.replace(best, state=state, records=records))
        return scored(*arguments)

    monkeypatch.setattr(evaluation, "evaluate", meanwhile)
    done = cli("eval", "--checkpoint", run.path)
    assert (done.code, run.evaluation("test")) == (0, None)
    assert "warning: the run has another best epoch by now" in done.err


@pytest.mark.parametrize("arguments", [("{run}/checkpoints/initial",), ("{run}", "--set", "data.split.test=0.3")])
def test_only_the_best_checkpoint_on_the_own_data_is_kept_with_the_run(cli, trained: Path, arguments) -> None:
    before = (trained / "evaluation/test.json").read_bytes()
    source, *more = (text.format(run=trained) for text in arguments)
    done = cli("eval", "--checkpoint", source, *more, "--json")
    assert done.code == 0
    assert (trained / "evaluation/test.json").read_bytes() == before
    if not more:
        assert json.loads(done.out)["run"] == source


def test_eval_with_views_shows_their_score_and_keeps_nothing(cli, trained_digits: Path) -> None:
    kept = {path: path.read_bytes() for path in trained_digits.glob("[ep]*/*.[jn]*")}
    assert kept
    arguments = ("eval", "--checkpoint", trained_digits, "--tta", "4", "--set", "train.augment=[shift]", "--json")
    done, again = cli(*arguments), cli(*arguments)
    result = json.loads(done.out)
    assert result["tta"] == 4
    assert result["metrics"]["loss"] is None
    assert result["metrics"] == json.loads(again.out)["metrics"]
    assert result["metrics"] != json.loads((trained_digits / "evaluation/test.json").read_text())["metrics"]
    assert "4 views" in done.err and "not kept" in done.err
    assert {path: path.read_bytes() for path in kept} == kept


def test_views_need_augmentations(cli, trained_digits: Path, trained: Path) -> None:
    done = cli("eval", "--checkpoint", trained, "--tta", "4")
    assert done.code == 2
    assert "no augmentations" in done.err
    assert cli("eval", "--checkpoint", trained_digits, "--tta", "1").code == 2


def test_predict_with_views(cli, trained_digits: Path, tmp_path: Path) -> None:
    Image.fromarray(np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "a.png")
    arguments = ("predict", tmp_path / "a.png", "--checkpoint", trained_digits)
    views = ("--tta", "8", "--set", "train.augment=[shift]")
    plain, averaged = cli(*arguments), cli(*arguments, *views)
    assert plain.code == averaged.code == 0
    assert plain.out != averaged.out == cli(*arguments, *views).out


def test_eval_on_another_experiment_takes_its_overrides(cli, trained: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("name: o\ndata: {name: blobs, samples: 90, classes: 3, seed: 5}\nmodel: logistic\n")
    splits = [
        cli("eval", "--checkpoint", trained, "--data", other, *more).out for more in ((), ("--set", "data.samples=60"))
    ]
    assert "18 samples" in splits[0]
    assert "12 samples" in splits[1]


def test_other_tables_are_treated_as_the_model_was_trained(cli, tmp_path: Path) -> None:
    """Other order of columns, other categories, other scale: the numbers of the training, nothing fitted anew."""
    rows = [(i % 3, ("red", "green", "blue")[i % 3], i % 7) for i in range(90)]
    train, other = tmp_path / "train.csv", tmp_path / "other.csv"
    train.write_text("colour,size,label\n" + "".join(f"{c},{s},{y}\n" for y, c, s in rows))
    other.write_text("size,colour,label\n" + "".join(f"{s + 50},{c if y else 'amber'},{y}\n" for y, c, s in rows))
    config = tmp_path / "t.yaml"
    config.write_text(
        f"name: t\ndata: {{name: table, root: {train}}}\nmodel: logistic\nplots: []\n"
        "train: {epochs: 20, batch_size: 16, optimizer: {name: adam, lr: 0.1}}\n"
    )
    assert cli("train", config, "--out", tmp_path, "--run-id", "a", "--quiet").code == 0
    run = tmp_path / "t/a"
    direct = json.loads(cli("eval", "--checkpoint", run, "--data", other, "--json").out)["metrics"]["accuracy"]
    read = [
        json.loads(cli("eval", "--checkpoint", run, "--split", part, "--set", f"data.root={other}", "--json").out)
        for part in ("train", "valid", "test")
    ]
    shares = [0.7, 0.1, 0.2]
    together = sum(share * result["metrics"]["accuracy"] for share, result in zip(shares, read, strict=True))
    assert together == pytest.approx(direct, abs=0.02)
    one = tmp_path / "one.csv"
    one.write_text("size,label\n" + "".join(f"{s},{y}\n" for y, _, s in rows))
    done = cli("eval", "--checkpoint", run, "--set", f"data.root={one}")
    assert done.code == 1
    assert "colour" in done.err


def test_eval_on_other_data_matches_classes_by_name(cli, trained: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("y,x,label\n0,0,2\n1,1,0\n")
    done = cli("eval", "--checkpoint", trained, "--data", other, "--json")
    assert done.code == 0
    assert json.loads(done.out)["split"] == "all"
    other.write_text("y,x,label\n0,0,2\n1,1,cat\n")
    done = cli("eval", "--checkpoint", trained, "--data", other)
    assert done.code == 1
    assert "extra: 'cat'" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("eval", "--checkpoint", "nowhere"), 2, "no such folder"),
        (("eval", "--checkpoint", "."), 1, "neither a run directory nor a checkpoint"),
        (("eval", "--checkpoint", "latest", "--out", "."), 1, "no runs under"),
        (("eval", "--checkpoint", "{run}", "--data", "nowhere"), 2, "no such file"),
        (("eval", "{run}", "--data", "x.csv", "--split", "test"), 2, "--data x.csv has no parts, all of it is scored"),
        (("eval", "--checkpoint", "{run}", "--set", "model=logistic"), 2, "cannot be changed"),
        (("eval", "--checkpoint", "{run}", "--split", "tset"), 2, "tset"),
        (("predict", "nowhere.csv", "--checkpoint", "{run}"), 2, "no such file"),
        (("predict", "x.csv"), 2, "which run? clfkit predict --checkpoint RUN"),
        (("plot", "augmentations", "{run}"), 2, "is a folder, not"),
        (("plot", "augmentations", "latest"), 2, "latest: no such file; preview 'augmentations' draws an experiment"),
        (("plot", "curvs", "--checkpoint", "{run}"), 2, "did you mean 'curves'"),
        (("plot", "samples", "--checkpoint", "{run}"), 1, "needs image data"),
        (("plot", "boundary", "--checkpoint", "{run}", "--set", "resolution=1"), 2, "at least 10"),
        (("plot", "curves", "--checkpoint", "{run}", "--out", "x.nope"), 1, "cannot write x.nope"),
        (("show", "model", "cn"), 2, "did you mean 'cnn'"),
        (("show", "modle", "cnn"), 2, "did you mean 'model"),
        (("list", "datsets"), 2, "did you mean 'datasets'"),
        (("init", "--dataset", "blobs", "--model", "cnn"), 2, "needs image data"),
        (
            ("init", "--model", "resnet_small"),
            2,
            "'resnet_small' is a backbone: model: {name: custom_head, backbone: resnet_small}",
        ),
        (("validate", "nowhere.yaml"), 2, "No such file"),
    ],
)
def test_mistakes_are_clear(cli, trained: Path, tmp_path: Path, monkeypatch, arguments, code, message) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli(*(text.format(run=trained) for text in arguments))
    assert done.code == code
    assert message in done.err
    assert "Traceback" not in done.err


def test_predict_points_as_csv(cli, trained: Path, tmp_path: Path) -> None:
    table = tmp_path / "new.csv"
    table.write_text("note,y,x\na,4.0,0.0\nb,-3.0,2.5\n")
    done = cli("predict", table, "--checkpoint", trained, "--probabilities")
    rows = list(csv.DictReader(done.out.splitlines()))
    assert len(rows) == 2
    for row in rows:
        chances = {name: float(row[name]) for name in ("0", "1", "2")}
        assert sum(chances.values()) == pytest.approx(1, abs=1e-5)
        assert row["predicted"] == max(chances, key=chances.__getitem__)
    np.savez(tmp_path / "new.npz", x=np.array([[0.0, 4.0], [2.5, -3.0]]))
    again = cli("predict", tmp_path / "new.npz", "--checkpoint", trained, "--probabilities")
    assert [r["predicted"] for r in csv.DictReader(again.out.splitlines())] == [r["predicted"] for r in rows]


def test_predict_images_and_folders_into_a_file(cli, trained_digits: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((8, 8), 120, np.uint8)).save(pictures / name)
    done = cli("predict", pictures, pictures / "a.png", "--checkpoint", trained_digits, "--out", tmp_path / "p.csv")
    assert done.code == 0
    assert done.out == ""
    rows = list(csv.DictReader((tmp_path / "p.csv").read_text().splitlines()))
    assert len(rows) == 3
    assert len({row["predicted"] for row in rows}) == 1


def test_plot_into_the_run_and_into_a_file(cli, trained: Path, tmp_path: Path) -> None:
    done = cli("plot", "learning_rate", "--checkpoint", trained, "--out", tmp_path / "lr.pdf")
    assert done.code == 0
    assert (tmp_path / "lr.pdf").read_bytes().startswith(b"%PDF")
    done = cli("plot-boundary", "--checkpoint", trained, "--features", "x,y", "--out", tmp_path / "b.png")
    assert done.code == 0, done.err
    with Image.open(tmp_path / "b.png") as picture:
        assert picture.size[0] > 500


def test_runs_shows_status_and_accuracy(cli, trained: Path) -> None:
    done = cli("runs", "--out", trained.parents[1])
    assert str(trained) in done.out
    assert "finished" in done.out
    assert "%" in done.out


def test_runs_says_why_a_run_failed_after_the_table(cli, trained: Path, tmp_path: Path) -> None:
    for name in ("good", "bad"):
        shutil.copytree(trained, tmp_path / "tiny" / name)
    RunDirectory(tmp_path / "tiny/bad").set_status("failed", reason="the loss is nan\x1b[31m\nat step 3")
    table, _, reasons = cli("runs", "--out", tmp_path).out.partition("\n\n")
    assert len(table.splitlines()) == 3
    assert reasons == f"{tmp_path}/tiny/bad failed: the loss is nan\\x1b[31m\\nat step 3\n"


def test_runs_of_an_empty_folder_says_what_to_do(cli, tmp_path: Path) -> None:
    done = cli("runs", "--out", tmp_path)
    assert done.code == 0
    assert "clfkit train" in done.out


@pytest.mark.parametrize("dataset", ["blobs", "digits", "iris", "mnist"])
def test_init_writes_a_config_that_validates(cli, tmp_path: Path, monkeypatch, dataset: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("init", "--dataset", dataset).code == 0
    assert cli("validate", f"{dataset}.yaml").code == 0
    again = cli("init", "--dataset", dataset)
    assert again.code == 2
    assert "exists already" in again.err


def test_a_starter_has_the_options_of_components_in_components(cli, tmp_path: Path) -> None:
    file = tmp_path / "digits.yaml"
    assert cli("init", "--dataset", "digits", "--model", "custom_head", "--out", file).code == 0
    values = yaml.safe_load(file.read_text())
    assert values["train"]["optimizer"] == load_config(file).plain()["train"]["optimizer"]
    assert values["train"]["optimizer"].keys() >= {"name", "lr", "weight_decay"}
    assert load_config(file).plain() == load_config(file, ["train={}"]).plain()


def test_a_starter_names_the_file_that_it_stands_in(cli, tmp_path: Path) -> None:
    file = tmp_path / "my first.yaml"
    assert cli("init", "--dataset", "blobs", "--out", file).code == 0
    assert file.read_text().splitlines()[0].endswith(f"clfkit train '{file}'")
    assert cli("validate", file).code == 0


@pytest.mark.slow
def test_list_and_show_know_every_component(cli) -> None:
    everything = cli("list").out
    for plural, registry in ALL.items():
        listed = cli("list", plural).out
        for name in registry.names():
            assert any(line.split()[0] == name for line in listed.splitlines())
            assert name in everything
            shown = cli("show", registry.kind, name)
            assert shown.code == 0
            for option in registry.entry(name).own:
                assert f"  {option}" in shown.out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
def test_an_output_that_takes_nothing_is_told_in_a_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-m", "clfkit", "list"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (
        1,
        "clfkit: standard output takes nothing more: No space left on device\n",
    )


def test_schema_is_json_with_all_models(cli) -> None:
    schema = json.loads(cli("schema").out)
    assert {"name", "data", "model", "train"} <= set(schema["properties"])
    titles = [choice.get("title") for choice in schema["properties"]["model"]["anyOf"]]
    assert {"mlp", "cnn", "custom_head", "logistic"} <= set(titles)


def test_validate_goes_through_all_files(cli, blobs: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: x\n")
    done = cli("validate", bad, blobs)
    assert done.code == 2
    assert f"{blobs}: ok" in done.out
    assert f"{bad}: data: missing" in done.err


def test_validate_notes_a_root_that_is_not_here(cli, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "photos.yaml"
    file.write_text("name: photos\ndata: {name: image_folder, root: photos}\nmodel: cnn\n")
    done = cli("validate", file)
    assert (done.code, done.err) == (0, f"note: {file}: data.root: {tmp_path / 'photos'} is not on this machine\n")
    (tmp_path / "photos").mkdir()
    assert cli("validate", file).err == ""
    file.write_text("name: digits\ndata: {name: mnist, root: nowhere}\nmodel: cnn\n")
    assert cli("validate", file).err == ""  # which is downloaded


def test_names_cannot_steer_the_terminal(cli, tmp_path: Path) -> None:
    table = tmp_path / "evil.csv"
    rows = "".join(f"{i},{i % 3},{name}\n" for i, name in enumerate(["good", "\x1b[31mevil"] * 20))
    table.write_text("a,b,label\n" + rows)
    config = tmp_path / "evil.yaml"
    config.write_text(
        f"name: evil\ndata: {{name: table, root: {table}}}\nmodel: logistic\ntrain: {{epochs: 1}}\nplots: []\n"
    )
    assert cli("train", config, "--out", tmp_path / "out", "--run-id", "a", "--quiet").code == 0
    done = cli("eval", "--checkpoint", tmp_path / "out/evil/a")
    assert "\x1b" not in done.out
    assert "\\x1b[31mevil" in done.out
