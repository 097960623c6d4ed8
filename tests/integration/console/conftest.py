"""The API and the console over a real database."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from api_site import (
    api,
    api_database,
    community,
    community_in,
    make_community,
    server_class,
    start_api,
)

__all__ = ["api", "api_database", "community", "community_in", "make_community", "server_class", "start_api"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


# As long as it is open, the loop of Playwright runs in this thread, and other tests start loops of their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        browser.close()
