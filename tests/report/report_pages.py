"""A way to read reports in tests."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any


class Page(HTMLParser):
    """A report as a reader has it: its text by section, its tags, its inlined data."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self._texts: dict[str, list[str]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._section, self._silent = "", False
        self.feed(html)
        self.sections = {name: re.sub(r"\s+", " ", " ".join(texts)) for name, texts in self._texts.items()}

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        self.tags.append((tag, named))
        self._silent = tag in ("script", "style")
        if tag in ("section", "header"):
            self._section = str(named["id"])

    def handle_endtag(self, tag: str) -> None:
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._texts.setdefault(self._section, []).append(data)

    def attributes(self, tag: str, name: str) -> list[str]:
        """That attribute of all tags of one kind that have it."""
        return [str(found[name]) for kind, found in self.tags if kind == tag and name in found]

    @property
    def inlined(self) -> Any:
        """What the script of the page reads."""
        (text,) = re.findall(r'<script type="application/json" id="inlined">(.*?)</script>', self.html, re.DOTALL)
        return json.loads(text)
