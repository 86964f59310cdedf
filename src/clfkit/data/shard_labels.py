"""What the files beside an image in a shard say about its label."""

from __future__ import annotations

import json
from typing import Literal

from clfkit.errors import DataError

Origin = Literal[".cls", ".json", "folder"]
"""Where a sample's label stands."""


def label_of_text(where: str, content: bytes) -> int | str:
    """What a `.cls` holds: a number of up to nine digits, or a name. Raises DataError, with `where` for the sample."""
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        text = ""
    if not text or "\n" in text:
        raise DataError(f"{where}.cls: must hold the number or the name of a class, not {content[:40]!r}")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text


def label_of_json(where: str, content: bytes) -> int | str | None:
    """The value of «label» in a `.json`, if there is one. Raises DataError, with `where` for the sample."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        raise DataError(f"{where}.json: not valid JSON") from None
    label = value.get("label") if isinstance(value, dict) else None
    if label is None or (isinstance(label, str) and _is_text(label)) or (type(label) is int and label >= 0):
        return label
    raise DataError(f"{where}.json: label must be the number or the name of a class, not {str(label)[:40]!r}")


def _is_text(label: str) -> bool:
    """Whether it is a name at all: neither empty nor half of a character, which JSON can hold."""
    return bool(label) and not any("\ud800" <= character <= "\udfff" for character in label)


def said(origin: Origin) -> str:
    """An origin in words."""
    return "its folder" if origin == "folder" else f"a {origin}"
