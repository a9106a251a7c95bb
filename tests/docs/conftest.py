"""The site is looked at in the browser of the browser tests."""

from __future__ import annotations

from tests.browser.conftest import chromium

__all__ = ["chromium"]
