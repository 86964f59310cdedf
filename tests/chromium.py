"""Pages in a real browser: opened from disk, looked at, used with real keys and clicks, printed."""

from __future__ import annotations

import base64
import io
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


class Chromium:
    """A browser with one page."""

    def __init__(self, profile: Path) -> None:
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})  # type: ignore[no-untyped-call]
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))

    def open(
        self, path: Path, *, scheme: str = "light", width: int = 1200, media: str = "", motion: str = "no-preference"
    ) -> None:
        """Open a file; it must not complain. media: `print` to look at it as it is printed."""
        self.as_seen(scheme=scheme, width=width, media=media, motion=motion)
        self.requests()
        self.driver.get(path.as_uri())
        self.until("return document.readyState === 'complete'")
        self.frame()
        assert self.complaints() == []

    def as_seen(
        self, *, scheme: str = "light", width: int = 1200, media: str = "", motion: str = "no-preference"
    ) -> None:
        """Change what the page is seen with."""
        wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": motion}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def run(self, script: str, *values: Any) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *values)  # type: ignore[no-untyped-call]

    def until(self, script: str) -> Any:
        """What a script returns as soon as that is true; fails after half a minute."""
        end = time.monotonic() + 30
        while not (found := self.run(script)):
            assert time.monotonic() < end, script
            time.sleep(0.02)
        return found

    def frame(self) -> None:
        """Wait until what has changed is painted."""
        self.driver.execute_async_script(  # type: ignore[no-untyped-call]
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))"
        )

    def find(self, selector: str) -> Any:
        """The first element of a CSS selector."""
        return self.driver.find_element("css selector", selector)

    def click(self, selector: str) -> None:
        """Click an element where it is on the screen."""
        element = self.find(selector)
        self.run("arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })", element)
        element.click()
        self.frame()

    def press(self, selector: str, *keys: str) -> None:
        """Give an element the focus, and press keys."""
        self.run("document.querySelector(arguments[0]).focus()", selector)
        self.driver.switch_to.active_element.send_keys("".join(keys))
        self.frame()

    def picture(self) -> Any:
        """Pixels (H, W, 3) of the screen."""
        return np.array(Image.open(io.BytesIO(self.driver.get_screenshot_as_png())).convert("RGB"))

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])

    def complaints(self) -> list[Any]:
        """Errors and warnings since the last look."""
        return list(self.driver.get_log("browser"))  # type: ignore[no-untyped-call]

    def requests(self) -> list[str]:
        """Addresses asked for since the last look."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]  # type: ignore[no-untyped-call]
        return [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
