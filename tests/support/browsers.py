"""A real browser for tests: one headless Chromium for all tests of a process. `Tab` uses it.

Rules: the browser begins with the first test that needs it and ends with the process, since trial
calls `setUpClass` for nobody. It has a profile of its own, which is removed. Nothing is
downloaded, neither a browser nor a driver.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
from typing import Any, Final

try:
    from selenium import webdriver
    from selenium.common.exceptions import JavascriptException, StaleElementReferenceException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:  # every test is skipped then
    webdriver = By = Keys = None  # type: ignore[assignment, misc]
    JavascriptException = StaleElementReferenceException = Exception  # type: ignore[assignment, misc]

__all__ = [
    "PATIENCE",
    "STRANGE_HOST",
    "Browser",
    "By",
    "JavascriptException",
    "Keys",
    "StaleElementReferenceException",
    "the_browser",
    "why_not",
]

PATIENCE: Final = 15.0
"""Seconds until a condition must hold, on a machine that is busy."""
STRANGE_HOST: Final = "rebound.example"
"""A name of the browser's that leads to 127.0.0.1, as a rebinding attacker arranges it."""
_ARGUMENTS: Final = (
    "--headless=new",
    "--window-size=1280,800",
    "--no-first-run",
    "--disable-gpu",
    "--disable-software-rasterizer",
    "--disable-extensions",
    "--disable-component-extensions-with-background-pages",
    # A process for each tab, and one in reserve, cost more than most of what is tested.
    "--renderer-process-limit=1",
    "--disable-features=SpareRendererForSitePerProcess,Translate,MediaRouter,OptimizationHints",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    # A test has several tabs, and looks at those behind, too.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    f"--host-resolver-rules=MAP {STRANGE_HOST} 127.0.0.1",
)


def why_not() -> str | None:
    """Why there can be no browser here, for the attribute `skip` of a test; None if there can."""
    if webdriver is None:
        return "the extra web-test is not installed (selenium)"
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"not installed: {' and '.join(missing)}" if missing else None


class Browser:
    """The browser of this process. `driver` is selenium's, `home` the handle of its first tab."""

    def __init__(self) -> None:
        self._profile = tempfile.mkdtemp(prefix="p2p-browser-")
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # A user who may have name spaces needs no sandbox to be left out.
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        for argument in (*_ARGUMENTS, *root, f"--user-data-dir={self._profile}"):
            options.add_argument(argument)
        service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
        self.driver: Any = webdriver.Chrome(options=options, service=service)
        self.driver.set_script_timeout(PATIENCE + 5)
        self.home: str = self.driver.current_window_handle
        self.free: list[str] = []
        """Tabs that a test has left as a new one is, for the next test: a new one costs more."""
        self.current = self.home

    def end(self) -> None:
        """End the browser, and remove all that it wrote."""
        with contextlib.suppress(Exception):
            self.driver.quit()
        shutil.rmtree(self._profile, ignore_errors=True)


_ours: list[Browser] = []


def the_browser() -> Browser:
    """The one of this process, which begins now if there is none yet."""
    if not _ours:
        _ours.append(Browser())
        atexit.register(_ours[0].end)
    return _ours[0]
