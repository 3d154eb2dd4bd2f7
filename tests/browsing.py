"""A headless browser for the tests of the explorer's page."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

QUIET = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")


@contextmanager
def browsing() -> Iterator[Browser]:
    """Yield Chromium: the one that EVOVAE_BROWSER names, the system's, or Playwright's own.

    Where there is none the test is skipped; where EVOVAE_BROWSER is set, it fails.
    """
    wanted = os.environ.get("EVOVAE_BROWSER")
    path = shutil.which(wanted) if wanted else shutil.which("chromium") or shutil.which("google-chrome")
    assert path or not wanted, f"EVOVAE_BROWSER is {wanted}, which is no program here"
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        except Error:
            if wanted:
                raise
            pytest.skip("no Chromium: install it, or run python -m playwright install chromium")
        with browser:
            yield browser
