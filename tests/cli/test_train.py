"""clfkit train: what it prints, writes and refuses."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from clfkit.run import RunDirectory

EPOCH_KEYS = {
    "epoch", "step", "lr", "train.loss", "train.accuracy", "valid.loss", "valid.accuracy", "seconds",
}  # fmt: skip
METRICS = {"accuracy", "top5", "macro_f1", "weighted_f1", "loss"}


def test_json_is_the_only_thing_on_standard_output(cli, blobs: Path, tmp_path: Path) -> None:
    done = cli("train", blobs, "--out", tmp_path / "out", "--json")
    assert done.code == 0
    result = json.loads(done.out)
    assert set(result) == {"run", "split", "metrics", "intervals"}
    assert result["split"] == "test"
    assert set(result["metrics"]) >= METRICS
    low, high = result["intervals"]["accuracy"]
    assert 0 <= low <= result["metrics"]["accuracy"] <= high <= 1
    assert "epoch 3/3" in done.err


def test_files_of_a_run_are_where_programs_expect_them(cli, blobs: Path, tmp_path: Path) -> None:
    cli("train", blobs, "--out", tmp_path / "out", "--run-id", "mine", "--quiet")
    run = tmp_path / "out/tiny/mine"
    lines = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert all(set(line) == EPOCH_KEYS for line in lines)
    assert set(json.loads((run / "evaluation/test.json").read_text())["metrics"]) >= METRICS
    for kind in ("best", "last"):
        assert load_file(run / "checkpoints" / kind / "model.safetensors")
    assert json.loads((run / "status.json").read_text())["status"] == "finished"
    assert (run / "plots/curves.png").is_file()
    assert (run / "plots/curves.svg").is_file()


def test_summary_names_accuracy_and_paths(cli, blobs: Path, tmp_path: Path) -> None:
    done = cli("train", blobs, "--out", tmp_path / "out", "--run-id", "mine")
    assert done.code == 0
    assert "best epoch" in done.out
    assert "accuracy" in done.out
    assert str(tmp_path / "out/tiny/mine/checkpoints/best/model.safetensors") in done.out


def test_summary_says_the_best_possible_accuracy_of_points(cli, blobs: Path, tmp_path: Path) -> None:
    done = cli("train", blobs, "--out", tmp_path / "out", "--run-id", "mine")
    run = tmp_path / "out/tiny/mine"
    best = json.loads((run / "evaluation/test.json").read_text())["bayes"]
    low, high = best["interval"]
    assert low <= best["accuracy"] <= high
    line = f"the best possible accuracy on these data is {best['accuracy']:.4f} ({low:.4f} to {high:.4f})"
    assert line in done.out
    assert line in cli("eval", "--checkpoint", run).out


def test_summary_of_splits_with_different_metrics(cli, tmp_path: Path) -> None:
    """One valid sample can have no part in two thirds of the classes; the test split has them all."""
    rows = [f"{number % 7},{label}" for label, count in (("a", 60), ("b", 30), ("c", 15)) for number in range(count)]
    (tmp_path / "t.csv").write_text("\n".join(["x,label", *rows]) + "\n")
    (tmp_path / "rare.yaml").write_text(
        f"name: rare\ndata:\n  name: table\n  root: {tmp_path / 't.csv'}\n"
        "  split: {valid: 1, test: 40, stratify: false}\n"
        "model: logistic\ntrain: {epochs: 1, device: cpu, threads: 1}\nplots: []\n"
    )
    done = cli("train", tmp_path / "rare.yaml", "--out", tmp_path / "out")
    assert done.code == 0
    lines = [line.split() for line in done.out.split("best epoch")[1].splitlines()]
    assert ["valid", "test", "95", "%", "interval", "of", "test"] in lines
    thirds = [line[1:3] for line in lines if line and line[0] in ("head_accuracy", "middle_accuracy", "tail_accuracy")]
    assert sorted(valid for valid, _ in thirds)[1:] == ["–", "–"]
    assert all(0 <= float(test) <= 1 for _, test in thirds)
    assert "best possible" not in done.out


def test_quiet_prints_nothing(cli, blobs: Path, tmp_path: Path) -> None:
    done = cli("train", blobs, "--out", tmp_path / "out", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_the_resolved_config_trains_the_same_weights_again(cli, blobs: Path, tmp_path: Path) -> None:
    cli("train", blobs, "--out", tmp_path, "--run-id", "a", "--quiet", "--set", "train.epochs=2")
    cli("train", tmp_path / "tiny/a/config.yaml", "--out", tmp_path, "--run-id", "b", "--quiet")
    first, second = ((tmp_path / f"tiny/{run}/checkpoints/best/model.safetensors").read_bytes() for run in ("a", "b"))
    assert first == second


def test_another_seed_gives_other_weights(cli, blobs: Path, tmp_path: Path) -> None:
    cli("train", blobs, "--out", tmp_path, "--run-id", "a", "--quiet")
    cli("train", blobs, "--out", tmp_path, "--run-id", "b", "--quiet", "--set", "seed=4")
    first, second = ((tmp_path / f"tiny/{run}/checkpoints/best/model.safetensors").read_bytes() for run in ("a", "b"))
    assert first != second


def test_all_faults_of_a_config_are_listed_with_their_lines(cli, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("name: bad\ndata: blobs\nmodel: mpl\ntrain:\n  epochs: 0\n  optimizer: {lerning_rate: 1}\n")
    done = cli("train", path)
    assert done.code == 2
    assert done.out == ""
    lines = done.err.splitlines()
    assert lines[0].startswith(f"{path}:3: model.name: unknown model 'mpl'; did you mean 'mlp'?")
    assert lines[1] == f"{path}:5: train.epochs: must be above 0, not 0"
    assert lines[2] == f"{path}:6: train.optimizer.lerning_rate: unknown option; did you mean 'lr'?"
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("train",), 2, "needs the YAML file"),
        (("train", "nowhere.yaml"), 2, "nowhere.yaml: No such file"),
        (("train", "{blobs}", "--run-id", "../escape"), 2, "letters, digits"),
        (("train", "{blobs}", "--set", "train.epochs"), 2, "must look like"),
        (("train", "{blobs}", "--resume"), 1, "nothing to resume"),
        (("train", "{blobs}", "--resume", "typo/run"), 1, "typo/run is not a run directory"),
        (("train", "{blobs}", "--resume", "latest"), 1, "no runs under"),
        (("train", "--resume", "{folder}"), 1, "not a run directory"),
        (("train", "{blobs}", "--plugin", "nowhere.py"), 2, "no such Python file"),
        (("train", "{blobs}", "--out", "{blobs}"), 1, "cannot make a run folder"),
    ],
)
def test_mistakes_are_one_line(cli, blobs: Path, tmp_path: Path, monkeypatch, arguments, code, message) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli(*(text.format(blobs=blobs, folder=tmp_path) for text in arguments))
    assert done.code == code
    assert message in done.err
    assert "Traceback" not in done.err


def test_an_existing_run_id_is_refused_and_left_alone(cli, trained: Path) -> None:
    before = (trained / "history.jsonl").read_bytes()
    done = cli("train", trained.parents[2] / "tiny.yaml", "--out", trained.parents[1], "--run-id", "one")
    assert done.code == 1
    assert "exists already" in done.err
    assert (trained / "history.jsonl").read_bytes() == before


def test_a_run_that_cannot_start_leaves_no_folder(cli, tmp_path: Path) -> None:
    path = tmp_path / "folder.yaml"
    path.write_text(f"name: folder\ndata: {{name: image_folder, root: {tmp_path}/none}}\nmodel: cnn\n")
    done = cli("train", path, "--out", tmp_path / "out")
    assert done.code == 1
    assert "none" in done.err
    assert list((tmp_path / "out/folder").iterdir()) == []


def test_resume_extends_a_finished_run(cli, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained.parents[1], tmp_path / "out")
    config = trained.parents[2] / "tiny.yaml"
    done = cli("train", config, "--out", tmp_path / "out", "--resume", "--set", "train.epochs=5")
    assert done.code == 0
    assert "resuming" in done.err
    assert len((tmp_path / "out/tiny/one/history.jsonl").read_text().splitlines()) == 5


def test_resume_lists_changed_options(cli, trained: Path) -> None:
    config = trained.parents[2] / "tiny.yaml"
    done = cli("train", config, "--resume", trained, "--set", "train.clip_norm=1")
    assert done.code == 2
    assert "train.clip_norm: empty → 1.0" in done.err
    assert "--force" in done.err


def test_summary_says_where_the_time_went(cli, blobs: Path, tmp_path: Path) -> None:
    done = cli("train", blobs, "--out", tmp_path, "--run-id", "mine")
    assert " s: start " in done.out and "figures" in done.out
    timing = json.loads((tmp_path / "tiny/mine/status.json").read_text())["timing"]
    assert f"{sum(timing.values()) - timing['first_step']:.1f} s: " in done.out


def test_profile_is_told_beside_the_result(cli, blobs: Path, tmp_path: Path) -> None:
    done = cli("train", blobs, "--out", tmp_path, "--json", "--profile")
    assert json.loads(done.out)["split"] == "test"
    told = done.err[done.err.index("where ") :]
    for part in ("feed", "forward", "backward", "optimizer", "evaluation", "checkpoint", "the loop"):
        assert part in told
    assert "samples a second in steps" in told


def test_a_run_stopped_at_its_figures_says_how_to_go_on(
    cli, blobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clfkit.drawing.draw_all", stop)
    done = cli("train", blobs, "--set", "plots=[curves]", "--out", tmp_path / "out", "--run-id", "a")
    assert done.code == 130
    assert done.err.splitlines()[-1] == f"  clfkit train --resume {tmp_path / 'out' / 'tiny' / 'a'}"
    assert "trained" in cli("runs", "--out", tmp_path / "out").out


@pytest.mark.parametrize(("number", "by"), [(signal.SIGINT, ""), (signal.SIGTERM, " by SIGTERM")])
def test_a_run_stopped_before_training_can_be_begun_anew(
    cli, blobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, by: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("clfkit.experiment.read_data", lambda config: signal.raise_signal(number))
        done = cli("train", blobs, "--out", tmp_path, "--run-id", "a")
    go_on = f"clfkit train --resume {tmp_path / 'tiny' / 'a'}"
    assert done.code == 128 + number
    assert done.err == f"clfkit: stopped at once{by}; nothing was kept yet. Begin anew with\n  {go_on}\n"
    told = cli("runs", "--out", tmp_path).out
    assert "interrupted" in told and "crashed" not in told
    assert cli(*go_on.split()[1:], "--quiet").code == 0
    assert "finished" in cli("runs", "--out", tmp_path).out


def test_an_accuracy_found_later_is_listed(cli, blobs: Path, tmp_path: Path) -> None:
    cli("train", blobs, "--out", tmp_path, "--run-id", "a", "--set", "baselines=[]", "--set", "report=false")
    run = RunDirectory(tmp_path / "tiny/a")
    accuracy = f"{run.status()['test.accuracy']:.2%}"
    run.discard_results()
    assert accuracy not in cli("runs", "--out", tmp_path).out
    assert cli("eval", run.path).code == 0
    assert accuracy in cli("runs", "--out", tmp_path).out


def test_a_run_is_compared_with_baselines(cli, blobs: Path, tmp_path: Path) -> None:
    done = cli("train", blobs, "--out", tmp_path, "--run-id", "a", "--set", "baselines=[majority]")
    run = tmp_path / "tiny/a"
    kept = json.loads((run / "evaluation/test.json").read_text())["baselines"]
    assert list(kept) == ["majority"]
    assert ["majority", f"{kept['majority']['accuracy']:.4f}"] in [line.split()[:2] for line in done.out.splitlines()]
    assert "mlp (this model)" in done.out and "above the interval" not in done.out
    assert "majority" in cli("eval", "--checkpoint", run).out
    assert json.loads((run / "evaluation/test.json").read_text())["baselines"] == kept


def test_a_model_that_loses_to_baselines_is_told_so(cli, blobs: Path, tmp_path: Path) -> None:
    poor = ("--set", "train.epochs=1", "--set", "train.optimizer.lr=1e-9", "--set", "report=false")
    told = "logistic_regression and nearest_neighbours are above the interval of this model's accuracy"
    done = cli("train", blobs, "--out", tmp_path, "--run-id", "a", "--set", "baselines=auto", *poor)
    [line] = [line for line in done.out.splitlines() if "above the interval" in line]
    assert set(line.split(" are ")[0].split(" and ")) == set(told.split(" are ")[0].split(" and "))
    assert line in cli("eval", "--checkpoint", tmp_path / "tiny/a").out
    assert "may be wrong" not in done.out  # of labels that were drawn with the samples


def test_an_unknown_baseline_is_refused_before_anything_is_read(cli, blobs: Path) -> None:
    done = cli("train", blobs, "--set", "baselines=[majorty]")
    assert done.code == 2
    assert "baselines.0" in done.err and "did you mean 'majority'" in done.err
