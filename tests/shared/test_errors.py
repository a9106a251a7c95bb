"""An error for the user shows no secret."""

from __future__ import annotations

from shared.errors import SourceError
from shared.secrets import known


def test_the_text_of_an_error_has_no_credentials() -> None:
    known.keep("correct horse")
    error = SourceError("camera door: rtsp://me:p@ss/word@10.0.0.9/1 refused 'correct horse'")
    assert str(error) == "camera door: rtsp://10.0.0.9/1 refused '***'"
