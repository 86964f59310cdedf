"""Malformed files against the exact text of all their faults, kept in `malformed/expected.json`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clfkit import components
from clfkit.config import load_config
from clfkit.document import MAX_BYTES
from clfkit.errors import ConfigError, UsageError

FOLDER = Path(__file__).parent / "malformed"
EXPECTED: dict[str, list[str]] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))


def wording(lines: list[str]) -> str:
    """The expected text; `<models>` and the like stand for all names in a registry."""
    text = "\n".join(lines)
    for kind, registry in components.ALL.items():
        text = text.replace(f"<{kind}>", ", ".join(registry.names()))
    return text


def test_every_file_has_its_text() -> None:
    assert sorted(path.name for path in FOLDER.glob("*.yaml")) == sorted(EXPECTED)
    assert len(EXPECTED) >= 65


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_all_faults_are_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    with pytest.raises(ConfigError) as caught:
        load_config(name)
    assert isinstance(caught.value, UsageError) and caught.value.exit_code == 2
    assert str(caught.value) == wording(EXPECTED[name])
    assert len(caught.value.faults) == len(EXPECTED[name])
    assert all(fault.where.startswith(name) for fault in caught.value.faults)
    assert all(line.isprintable() for line in str(caught.value).split("\n"))


def test_telling_them_imports_nothing_heavy() -> None:
    program = (
        "import sys, pathlib\n"
        "from clfkit.config import load_config\n"
        "from clfkit.errors import ConfigError\n"
        "files = sorted(pathlib.Path('.').glob('*.yaml'))\n"
        "for file in files:\n"
        "    try:\n"
        "        load_config(file)\n"
        "    except ConfigError:\n"
        "        continue\n"
        "    sys.exit(f'{file} is valid')\n"
        "heavy = {'torch', 'torchvision', 'matplotlib', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "print(len(files), sorted(heavy))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=FOLDER, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == f"{len(EXPECTED)} []"


def test_a_file_too_large_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_text("# " + "x" * MAX_BYTES)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value) == f"{path}: larger than {MAX_BYTES:,} bytes: not a configuration"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_config(tmp_path / "nothing.yaml")
    assert str(caught.value) == f"{tmp_path / 'nothing.yaml'}: No such file or directory"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_config(tmp_path)
    assert str(caught.value) == f"{tmp_path}: is a folder, not a YAML file"
    (tmp_path / "config.yaml").touch()
    with pytest.raises(UsageError, match=r"of a run give .*/config\.yaml$"):
        load_config(tmp_path)


def test_control_characters_in_a_file_name_are_escaped(tmp_path: Path) -> None:
    path = tmp_path / "red\x1b[31m.yaml"
    path.write_text("")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert "\\x1b" in str(caught.value) and str(caught.value).isprintable()
