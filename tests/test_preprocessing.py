"""One preprocessing: train without augmentation, valid, test, eval, predict and export see the same bits of a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

import clfkit
from clfkit.classifier import Classifier
from clfkit.data.bundle import DataBundle, ImageFormat
from clfkit.data.files import read_labelled, read_samples
from clfkit.data.loading import load_bundle
from clfkit.engines.base import EngineSetup
from clfkit.engines.pytorch.engine import TorchEngine
from clfkit.engines.pytorch.program import Whole
from clfkit.exporting.writing import export

ByFile = dict[str, bytes]
"""What became of each file, by its path below the folder."""

CONFIG = """
name: photos
data: {{name: image_folder, root: '{root}', size: [20, 24], split: {{valid: 0.2, test: 0.2}}}}
model: {{name: cnn, channels: [4], dense: [8]}}
engine: torch
train: {{epochs: 1, batch_size: 8, device: cpu, optimizer: {{name: sgd, lr: 0.1}}}}
plots: []
"""


def draw(root: Path) -> None:
    """Files in several formats, sizes and colours, turned by the camera and transparent ones among them."""
    rng = np.random.default_rng(0)
    for number in range(20):
        height, width = rng.integers(15, 90, 2).tolist()
        image = Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).resize((3 * width, 3 * height))
        exif = Image.Exif()
        exif[0x0112] = 1 + number % 8
        file = root / f"{number % 2}" / f"{number:02}"
        file.parent.mkdir(parents=True, exist_ok=True)
        if number % 5 == 3:
            image.convert(["L", "RGBA", "P", "1"][number % 4]).save(file.with_suffix(".png"))
        else:
            image.save(file.with_suffix(".jpg"), exif=exif)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    folder = tmp_path_factory.mktemp("preprocessing")
    draw(folder / "photos")
    (folder / "photos.yaml").write_text(CONFIG.format(root=folder / "photos"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        run = clfkit.train(folder / "photos.yaml", out=folder)
        found = clfkit.load(run.path)
        assert len(found.bundle.train) == 12
    return found


def root_of(classifier: Classifier) -> Path:
    return Path(classifier.config.plain()["data"]["root"])


def by_file(ids: npt.NDArray[Any], values: npt.NDArray[Any]) -> ByFile:
    return {Path(name).as_posix(): value.tobytes() for name, value in zip(ids.tolist(), values, strict=True)}


def pixels_of(bundle: DataBundle) -> ByFile:
    every = {}
    for split in (bundle.train, bundle.valid, bundle.test):
        every |= by_file(split.ids, np.asarray(split.inputs[np.arange(len(split))]))
    return every


def as_predict_reads(classifier: Classifier) -> ByFile:
    samples, ids = read_samples([root_of(classifier)], classifier.spec)
    return {
        str(Path(name).relative_to(root_of(classifier))): p for name, p in by_file(ids, np.asarray(samples)).items()
    }


def test_pixels_of_a_file_are_the_same_everywhere(classifier: Classifier, tmp_path: Path) -> None:
    expected = pixels_of(classifier.bundle)
    assert len(expected) == 20
    assert as_predict_reads(classifier) == expected
    labelled = read_labelled(root_of(classifier), classifier.spec)
    assert by_file(labelled.ids, np.asarray(labelled.inputs)) == expected
    for options in ({"cache": "off"}, {"cache": str(tmp_path)}, {"cache": str(tmp_path), "memory": 1}):
        changed = classifier.with_overrides([f"data.{key}={value}" for key, value in options.items()])
        read = load_bundle(changed.config.data, changed.config.data_seed, changed.spec)
        assert pixels_of(read) == expected


@contextmanager
def watched(module: torch.nn.Module) -> Iterator[Callable[[], npt.NDArray[Any]]]:
    """What goes into a module meanwhile."""
    seen: list[torch.Tensor] = []
    hook = module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    yield lambda: torch.cat(seen).numpy()
    hook.remove()


def test_the_network_is_given_the_same_bits_everywhere(classifier: Classifier) -> None:
    config, bundle, counts = classifier.config, classifier.bundle, np.array(classifier.checkpoint.class_counts)
    common: dict[str, Any] = {"spec": classifier.spec, "model": config.model, "class_counts": counts, "seed": 0}
    setup = EngineSetup.of(config.train, **common, train=bundle.train, batch_size=12)
    engine = TorchEngine(setup)
    with watched(engine.model) as given:
        engine.train_step(np.arange(12), 0.1, key=1)
    trained_on = by_file(bundle.train.ids, given())
    held_out: ByFile = {}
    for split, look in ((bundle.valid, engine.score), (bundle.test, engine.evaluate)):
        with watched(engine.model) as given:
            look(split)
        held_out |= by_file(split.ids, given())
    samples, ids = read_samples([root_of(classifier)], classifier.spec)
    names = np.array([str(Path(name).relative_to(root_of(classifier))) for name in ids.tolist()])
    with watched(engine.model) as given:
        engine.predict(samples)
    predicted = by_file(names, given())
    whole = Whole(engine)
    with watched(engine.model) as given:
        whole(torch.from_numpy(np.asarray(samples)))
    assert by_file(names, given()) == predicted == {**trained_on, **held_out}
    assert len(predicted) == 20


def test_an_exported_file_gives_the_same_bits_for_a_file(classifier: Classifier) -> None:
    exported = export(classifier, "torch")
    described = json.loads(exported.described.read_text())
    assert ImageFormat.model_validate(described["input"]["image"]) == classifier.spec.image
    answer = torch.export.load(exported.path).module()
    samples, _ = read_samples([root_of(classifier)], classifier.spec)
    expected = classifier.predict_proba(root_of(classifier))
    assert np.array_equal(answer(torch.from_numpy(np.asarray(samples))).numpy(), expected)
    assert np.ptp(expected) > 0.01
