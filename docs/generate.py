"""Writes the configuration reference into README.md and docs/reference.md: `make reference`.

With --check it writes nothing and fails when a file is out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path

from clfkit.reference import component_reference, experiment_reference

ROOT = Path(__file__).parent.parent
BEGIN = "<!-- reference: written by `make reference` -->"
END = "<!-- end of reference -->"


def pages() -> dict[Path, str]:
    """What each file should hold."""
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    head = "# Configuration reference\n\nEvery option of every component, written from their signatures.\n\n"
    return {
        readme: f"{before}{BEGIN}\n\n{experiment_reference()}\n{END}{after}",
        ROOT / "docs/reference.md": head + experiment_reference() + "\n" + component_reference(),
    }


def main() -> int:
    """Write the files, or check them."""
    check = "--check" in sys.argv[1:]
    stale = [p for p, text in pages().items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)} is out of date: run `make reference`")
        else:
            path.write_text(pages()[path], encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
