"""torchvision imports and its networks run, whatever torch it stands beside."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import warnings
warnings.simplefilter("error")
from clfkit.vision import torchvision
first = torchvision()
assert torchvision() is first
import torch
{body}
"""


def run(body: str) -> None:
    """Run `body` in a fresh interpreter where torchvision has been imported and warnings are errors."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body)], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""


def test_fresh_process_imports_torchvision_and_runs_a_network() -> None:
    run(
        "network = first.models.resnet18(num_classes=4).eval()\n"
        "with torch.no_grad():\n"
        "    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 4)\n"
        "import torchvision\n"
        "assert torchvision is first\n"
        "assert first.datasets.MNIST.__name__ == 'MNIST'"
    )
