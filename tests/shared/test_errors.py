"""An error for the user shows no secret."""

from __future__ import annotations

import pytest

from shared.errors import SourceError, first_line
from shared.secrets import known


def test_the_text_of_an_error_has_no_credentials() -> None:
    known.keep("correct horse")
    error = SourceError("camera door: rtsp://me:p@ss/word@10.0.0.9/1 refused 'correct horse'")
    assert str(error) == "camera door: rtsp://10.0.0.9/1 refused '***'"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError("\n no room\nat line 3"), "no room"),
        (MemoryError(), "MemoryError"),
        (OSError("x" * 999), "x" * 300),
    ],
)
def test_of_a_library_s_error_the_first_line_is_told(error: Exception, said: str) -> None:
    assert first_line(error) == said
