"""The report as one HTML file that needs nothing beside itself."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clfkit import __version__
from clfkit.classifier import Classifier
from clfkit.pages import as_script, asset, digest, render, visible
from clfkit.report import charts, mistaken, sections
from clfkit.report.material import Material
from clfkit.report.rarity import recall_by_size
from clfkit.run import REPORT, RunDirectory
from clfkit.storage import write_atomically
from clfkit.wording import cut

if TYPE_CHECKING:
    from markupsafe import Markup

LONGEST_NAME = 120
"""Characters of a class or a sample."""


def write_report(run: RunDirectory, path: Path | None = None, classifier: Classifier | None = None) -> Path:
    """Write the report of a run, by default into its folder, and say where.

    classifier: its best model with its data, where they are at hand. Raises RunError, ConfigError.
    """
    path = path or run.path / REPORT
    write_atomically(path, page(Material.of(run, classifier)).encode())
    return path


def brief(name: str) -> str:
    """The name of a class or a sample, of a very long one its ends."""
    return cut(name, LONGEST_NAME)


def page(material: Material) -> Markup:
    """The HTML of a report. What is missing is said in its place."""
    script = asset("clfkit.plots", "slider.js") + asset("clfkit.report", "report.js")
    confusion, planes = mistaken.confusion(material), sections.regions(material)
    inlined: dict[str, Any] = {"classes": [visible(brief(name)) for name in material.classes]}
    if isinstance(confusion, dict):
        inlined["confusion"] = confusion.pop("counts")
    if isinstance(planes, dict):
        inlined["planes"] = {key: planes.pop(key) for key in ("frames", "points", "side", "optimal")}
        planes["captions"] = [frame["caption"] for frame in inlined["planes"]["frames"]]
    return render(
        "clfkit.report", "templates/report.html", {"brief": brief},
        material=material, resume=_resume(material),
        version=__version__, chart=charts, style=asset("clfkit.report", "report.css"), script=script,
        digest=digest(script), inlined=as_script(inlined),
        headline=sections.headline(material), metrics=sections.metrics(material), config=sections.config(material),
        data=sections.data(material), curves=sections.curves(material), planes=planes, confusion=confusion,
        classes=mistaken.classes(material), rarity=recall_by_size(material), calibration=mistaken.calibration(material),
        mistakes=mistaken.mistakes(material), label_errors=mistaken.label_errors(material),
        timing=sections.timing(material), environment=sections.environment(material),
    )  # fmt: skip


def _resume(material: Material) -> str:
    """The command that goes on with a run that ended before it was done; empty for others."""
    if material.status.get("status") not in ("interrupted", "crashed", "failed"):
        return ""
    return f"clfkit train --resume {shlex.quote(str(material.run.path))}"
