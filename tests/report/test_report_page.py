"""What stands in a report, and what is said where something is missing."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report_pages import Page

from clfkit import train
from clfkit.pages import as_script
from clfkit.report.choices import own_choices
from clfkit.report.page import write_report
from clfkit.run import RunDirectory

Trained = Callable[..., RunDirectory]
HOSTILE = (
    "</script><script>alert(1)</script>", "<!--", "<img src=x onerror=alert(2)>", '" onload="alert(3)', "{{ 7 * 7 }}",
    "\u2028\u2029", "a\x1b[2Jb", "\u202egnp.exe", "' or ''", "&amp;",
)  # fmt: skip


def page_of(run: RunDirectory) -> Page:
    return Page(write_report(run).read_text(encoding="utf-8"))


def copied(run: RunDirectory, folder: Path) -> RunDirectory:
    return RunDirectory(Path(shutil.copytree(run.path, folder / "copy")))


def test_training_ends_with_a_report(trained_on: Trained) -> None:
    run = trained_on("digits")
    page = Page((run.path / "report.html").read_text(encoding="utf-8"))
    assert run.status()["status"] == "finished"
    evaluation = run.evaluation("test")
    assert evaluation is not None
    low, high = evaluation["intervals"]["accuracy"]
    summary = page.sections["summary"]
    assert f"{100 * evaluation['metrics']['accuracy']:.2f} %" in summary
    assert f"95 % interval {100 * low:.2f} to {100 * high:.2f} %" in summary
    assert "finished" in summary
    assert "test" in page.sections["classes"]
    assert [image for image in page.attributes("img", "src") if not image.startswith("data:image/png;base64,")] == []
    assert run.written()["report"] == (run.path / "report.html")


def test_no_report_where_none_is_wanted(trained_on: Trained) -> None:
    run = trained_on("blobs", report=False)
    assert not (run.path / "report.html").exists()
    assert "report" not in run.written()


def test_options_that_differ_stand_beside_their_defaults(trained_on: Trained) -> None:
    config = page_of(trained_on("blobs")).sections["config"]
    for row in ("data.std 3.0 1.0", "model.dropout 0.3 0.0", "train.optimizer.lr 0.05 0.001", "data.name blobs"):
        assert row in config, row
    differing, whole = config.split("The whole config")
    assert "patience" not in differing
    assert "normalize" not in differing
    assert "normalize: true" in whole


def test_what_nobody_chose_is_not_listed_as_a_choice(trained_on: Trained) -> None:
    chosen = own_choices(trained_on("blobs").config())
    assert [key for key in chosen if key.startswith("train.checkpoint_every")] == []
    run = trained_on("blobs", train__checkpoint_every__epochs=3, report=False, data__seed=7)
    assert own_choices(run.config())["train.checkpoint_every.epochs"] == ("3", "1")
    assert "data.seed 7 not set" in page_of(run).sections["config"]


def test_every_pair_and_class_is_there(trained_on: Trained) -> None:
    run = trained_on("digits")
    page, said = page_of(run), run.predictions("test")
    assert said is not None
    counts = np.zeros((10, 10), int)
    for true, predicted, count in np.reshape(page.inlined["confusion"], (-1, 3)):
        counts[true, predicted] = count
    expected = np.zeros((10, 10), int)
    np.add.at(expected, (said["labels"], said["predicted"]), 1)
    np.testing.assert_array_equal(counts, expected)
    wrong = int((said["labels"] != said["predicted"]).sum())
    assert f"{wrong} of 359 test samples are mistakes" in page.sections["confusion"]
    assert page.sections["mistakes"].count("Said") == min(wrong, 48)


def test_the_surest_mistake_comes_first(trained_on: Trained) -> None:
    run = trained_on("digits")
    said = run.predictions("test")
    assert said is not None
    wrong = np.flatnonzero(said["labels"] != said["predicted"])
    certain = said["probabilities"].max(axis=1).astype(float)
    first = wrong[certain[wrong].argmax()]
    text = page_of(run).sections["mistakes"]
    shown = f"Said {said['predicted'][first]} Is {said['labels'][first]} {100 * certain[first]:.2f} %"
    assert text.index("Said") == text.index(shown)


def test_points_have_regions_before_and_after(trained_on: Trained) -> None:
    page = page_of(trained_on("blobs"))
    planes = page.inlined["planes"]
    assert planes["frames"][0]["caption"] == "Before training"
    assert "the best" in planes["frames"][-1]["caption"]
    assert len(planes["frames"][0]["wrong"]) > len(planes["frames"][-1]["wrong"])
    assert len(planes["points"]["x"]) == 40
    assert "regions" not in page_of(trained_on("digits")).sections


def test_snapshots_are_frames_in_their_order(trained_on: Trained) -> None:
    run = trained_on("blobs", train__snapshots__every=1)
    planes = page_of(run).inlined["planes"]
    epochs = [frame["caption"].split(",")[0] for frame in planes["frames"]]
    assert epochs == ["Before training", "Epoch 1", "Epoch 2", "Epoch 3", "Epoch 4"]


def test_many_classes_stay_small(many_classes: RunDirectory) -> None:
    path = write_report(many_classes)
    page = Page(path.read_text(encoding="utf-8"))
    assert path.stat().st_size < 1_000_000
    assert len(page.inlined["classes"]) == 1623
    assert page.sections["classes"].count("Alphabet_") >= 1623


@pytest.mark.parametrize("base", ["blobs", "digits"])
def test_few_classes_stay_small(base: str, trained_on: Trained) -> None:
    assert write_report(trained_on(base)).stat().st_size < 300_000


def test_nothing_is_asked_of_a_network(trained_on: Trained) -> None:
    page = page_of(trained_on("digits"))
    assert page.attributes("script", "src") == []
    for tag, name in (("link", "href"), ("img", "src")):
        assert [address for address in page.attributes(tag, name) if not address.startswith("data:")] == []
    assert not re.search(r"https?://|@import|url\(", page.html)
    (policy,) = page.attributes("meta", "http-equiv")
    assert policy == "Content-Security-Policy"


def test_names_from_outside_are_text(many_classes: RunDirectory) -> None:
    evaluation = many_classes.evaluation("test")
    assert evaluation is not None
    cells = list(evaluation["classes"].values())
    names = [*HOSTILE, *(f"class {at}" for at in range(len(cells) - len(HOSTILE)))]
    many_classes.save_evaluation("test", {**evaluation, "classes": dict(zip(names, cells, strict=True))})
    many_classes.set_status("failed", reason="</style><script>alert(4)</script>")
    many_classes.write_environment({"command": ["<script>alert(5)</script>"], "platform": "<!--"})
    page = page_of(many_classes)
    assert page.html.count("<script") == 2
    assert page.html.count("</script") == 2
    assert "<!--" not in page.html
    assert [name for tag, found in page.tags for name in found if name.startswith("on")] == []
    assert page.attributes("img", "src") == []
    assert "\x1b" not in page.html and "\u202e" not in page.html and "\u2028" not in page.html
    assert "{{ 7 * 7 }}" in page.sections["classes"]
    assert page.inlined["classes"][0] == HOSTILE[0]
    assert "<script>alert(5)</script>" in page.sections["environment"]


def test_very_long_names_lose_their_middle(many_classes: RunDirectory) -> None:
    evaluation = many_classes.evaluation("test")
    assert evaluation is not None
    names = [f"{at} {'x' * 5000} {at}" for at in range(len(evaluation["classes"]))]
    cells = evaluation["classes"].values()
    many_classes.save_evaluation("test", {**evaluation, "classes": dict(zip(names, cells, strict=True))})
    page = page_of(many_classes)
    assert "x" * 120 not in page.html
    assert {len(name) for name in page.inlined["classes"]} == {120}
    assert f"7 {'x' * 57}…" in page.sections["classes"]
    assert len(page.html) < 2_000_000


def test_file_names_that_are_not_text(trained_on: Trained, tmp_path: Path) -> None:
    run = copied(trained_on("digits"), tmp_path)
    assert b"\\udcff" in write_report(RunDirectory(run.path.rename(tmp_path / "odd\udcff"))).read_bytes()


def test_inlined_json_cannot_end_its_element() -> None:
    text = str(as_script({"name": "</script><!-- \u2028 &lt;"}))
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"name": "</script><!-- \u2028 &lt;"}


def test_a_run_without_evaluation_says_so(trained_on: Trained, tmp_path: Path) -> None:
    run = copied(trained_on("digits"), tmp_path)
    run.discard_results()
    run.set_status("interrupted", reason="a signal")
    page = page_of(run)
    assert "This run is interrupted after epoch 3 of 3: a signal" in page.sections["summary"]
    assert f"clfkit train --resume {run.path} goes on with it" in page.sections["summary"]
    assert "nothing was evaluated yet" in page.sections["summary"]
    for section in ("confusion", "calibration", "mistakes", "labels"):
        assert "no predictions are saved" in page.sections[section]
    assert "Loss" in page.sections["training"]
    best = run.checkpoint("best").state.best_epoch
    assert f"The dotted line marks the best epoch so far, {best}, which" in page.sections["training"]
    assert f"best {best}" in page.sections["summary"]


def test_a_run_that_has_only_begun(tmp_path: Path, trained_on: Trained) -> None:
    run = RunDirectory.create(tmp_path, trained_on("blobs").config(), "new")
    page = page_of(run)
    assert "no epoch is finished yet" in page.sections["training"]
    assert "has no checkpoint yet" in page.sections["data"]
    assert "environment.json is not there" in page.sections["environment"]


def trained_on_images(tmp_path: Path, size: int, more: str = "") -> tuple[RunDirectory, Path]:
    """A run on an image folder, and the folder."""
    folder, random = tmp_path / "images", np.random.default_rng(0)
    for name in ("left", "right"):
        (folder / name).mkdir(parents=True)
        for number in range(30):
            pixels = random.integers(0, 256, (size, size), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    (tmp_path / "own.yaml").write_text(
        f"name: own\ndata: {{name: image_folder, root: {folder}, size: {size}, split: {{test: 0.5}}{more}}}\n"
        "model: logistic\ntrain: {epochs: 1}\nplots: []\nbaselines: []\n"
    )
    return RunDirectory(train(tmp_path / "own.yaml", out=tmp_path, run_id="one").path), folder


def test_images_that_became_unreadable_cost_their_pictures_alone(tmp_path: Path) -> None:
    run, folder = trained_on_images(tmp_path, 160, ", memory: 1, cache: off")
    assert page_of(run).attributes("img", "src")
    for file in folder.glob("left/*.png"):
        file.write_bytes(b"no image")
    page = page_of(run)
    assert page.attributes("img", "src") == []
    assert "left/" in page.sections["data"].split("left out: ")[1]
    assert "left/" in page.sections["mistakes"].split("left out: ")[1]
    assert "mistakes" in page.sections["confusion"] and "Probability" in page.sections["mistakes"]


def test_data_that_are_gone_are_said_to_be(tmp_path: Path) -> None:
    run, folder = trained_on_images(tmp_path, 8)
    assert len(page_of(run).attributes("img", "src")) > 10
    for file in folder.glob("*/*.png"):
        file.rename(file.with_stem(f"other{file.stem}"))
    assert "the data have changed since the run" in page_of(run).sections["mistakes"]
    shutil.rmtree(folder)
    page = page_of(run)
    assert "images" in page.sections["data"].split("left out")[1]
    assert "pictures are left out" in page.sections["mistakes"]
    assert page.attributes("img", "src") == []
    assert "Probability" in page.sections["mistakes"]


def test_an_older_evaluation_without_intervals(trained_on: Trained, tmp_path: Path) -> None:
    run = copied(trained_on("digits"), tmp_path)
    evaluation = run.evaluation("test")
    assert evaluation is not None
    old = {key: evaluation[key] for key in ("split", "samples", "metrics")}
    cells = {
        name: {key: row[key] for key in ("precision", "recall", "f1", "support")}
        for name, row in evaluation["classes"].items()
    }
    run.save_evaluation("test", {**old, "classes": cells})
    assert "evaluated without intervals" in page_of(run).sections["summary"]


def test_what_the_accuracy_is_compared_with(trained_on: Trained, tmp_path: Path) -> None:
    run = copied(trained_on("blobs"), tmp_path)
    evaluation = run.evaluation("test")
    assert evaluation is not None
    compared = {"bayes": {"accuracy": 0.91234}, "baselines": {"majority": {"accuracy": 0.5}, "odd": {"accuracy": None}}}
    run.save_evaluation("test", {**evaluation, **compared})
    summary = page_of(run).sections["summary"]
    assert "Best possible 91.23 %" in summary
    assert "Majority 50.00 %" in summary
    assert "Odd" not in summary


def test_damaged_predictions_are_named_in_the_place_of_what_they_would_show(
    trained_on: Trained, tmp_path: Path
) -> None:
    run = copied(trained_on("digits"), tmp_path)
    said = run.predictions("test")
    assert said is not None
    run.save_predictions("test", **{**said, "probabilities": np.zeros((3, 10), np.float16)})
    page = page_of(run)
    for section in ("confusion", "calibration", "mistakes", "labels"):
        assert "do not hold the probabilities of all" in page.sections[section]
    assert "Samples" in page.sections["classes"] and "accuracy on test" in page.sections["summary"]


def test_predictions_of_other_classes_are_named(trained_on: Trained, tmp_path: Path) -> None:
    run = copied(trained_on("digits"), tmp_path)
    said = run.predictions("test")
    assert said is not None
    run.save_predictions("test", **{**said, "labels": said["labels"] + 1})
    assert "of other classes than the 10" in page_of(run).sections["confusion"]


def test_label_errors_that_the_evaluation_names_are_taken(trained_on: Trained, tmp_path: Path) -> None:
    run = copied(trained_on("digits"), tmp_path)
    said, evaluation = run.predictions("test"), run.evaluation("test")
    assert said is not None and evaluation is not None
    chosen = said["ids"][[5, 3]].tolist()
    run.save_evaluation("test", {**evaluation, "label_errors": [{"id": each} for each in [*chosen, "gone"]]})
    page = page_of(run)
    assert page.sections["labels"].startswith(" Likely label errors 2 test samples")
    start = page.html.index('id="labels"')
    assert re.findall(r'alt="Sample (\w+)"', page.html[start:]) == [str(each) for each in chosen]


def test_one_epoch_is_told_in_words(trained_on: Trained) -> None:
    run = trained_on("blobs", train__epochs=1, report=False)
    [record] = run.history()
    told = page_of(run).sections["training"]
    assert f"train loss {record.value('train.loss'):.4g}" in told
    assert f"valid accuracy {100 * record.value('valid.accuracy'):.2f} %" in told
