"""The limits of clients fit into what the process may have."""

from __future__ import annotations

import pytest

from viewer_server.serving.limits import limits_for
from viewer_server.stored.reading import AT_ONCE, EXPORTS_AT_ONCE

BASE = 22
"""Descriptors of a viewer that nobody uses: measured, with a broker, a history and pictures of tracks."""
DATABASES = 2


@pytest.mark.parametrize("browsers", [1, 9, 100, 304, 400])
def test_all_that_clients_may_take_fits_into_1024_descriptors(browsers: int) -> None:
    limits = limits_for(browsers)
    readers = DATABASES * (AT_ONCE + EXPORTS_AT_ONCE)
    assert BASE + 2 * limits.browsers + limits.connections + 2 * readers <= 1024
    assert limits.browsers > browsers
    assert limits.each >= 50
