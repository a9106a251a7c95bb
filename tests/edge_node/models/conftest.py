from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARNER_CACHE", str(tmp_path / "cache"))
    # Nothing listens there: whoever asks the network is refused at once.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
