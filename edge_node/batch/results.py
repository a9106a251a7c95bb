"""The files of a batch job: each appears under its name only when all of them are complete."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from shared.files import PartFile
from shared.wire import messages

T = TypeVar("T")


class Results:
    """The files about one video; they are removed unless `keep` was called.

    Args:
        lines: The file for the messages, one per line.
        video: The file for the annotated video, if one is wanted.
    """

    def __init__(self, lines: Path, video: Path | None) -> None:
        self._lines = PartFile(lines)
        self._video = None if video is None else PartFile(video)

    @property
    def video_path(self) -> Path | None:
        """Where to write the annotated video until `keep` moves it to its place."""
        return None if self._video is None else self._video.path

    def __enter__(self) -> Results:
        with ExitStack() as stack:
            stack.enter_context(self._lines)
            if self._video is not None:
                stack.enter_context(self._video)
            self._file = stack.enter_context(self._lines.path.open("wb"))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stack.close()
        except OSError:
            if error is None:
                raise

    def enter(self, inner: AbstractContextManager[T]) -> T:
        """Enter another context, which is left before the files are removed."""
        return self._stack.enter_context(inner)

    def write(self, found: Iterable[object]) -> None:
        """Add messages.

        Raises:
            OSError: The files cannot be written.
        """
        for message in found:
            self._file.write(messages.encode(message) + b"\n")

    def keep(self) -> None:
        """Move the files to their places, replacing what is there; a video without a frame is left out.

        Raises:
            OSError: The files cannot be written.
        """
        self._file.flush()
        self._lines.keep()
        if self._video is not None and self._video.path.stat().st_size > 0:
            self._video.keep()
