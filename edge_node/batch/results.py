"""The files of a batch job: written under another name, and given their own when they are whole."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from shared.wire import messages

T = TypeVar("T")


class Results:
    """What is written about one video; nothing of it remains unless `keep` was called.

    Args:
        lines: For the messages, one a line.
        video: For the annotated video, if there is to be one.

    Attributes:
        video_path: Where to write it until then.
    """

    def __init__(self, lines: Path, video: Path | None) -> None:
        self._lines, self._video = lines, video
        self._part = lines.with_name(f".{lines.stem}.part{lines.suffix}")
        self.video_path = video and video.with_name(f".{video.stem}.part{video.suffix}")

    def __enter__(self) -> Results:
        self._stack = ExitStack()
        self._file = self._stack.enter_context(self._part.open("wb"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stack.close()
        except OSError:
            if error is None:
                raise
        finally:
            for path in filter(None, (self._part, self.video_path)):
                path.unlink(missing_ok=True)

    def enter(self, inner: AbstractContextManager[T]) -> T:
        """Close something else before the files are removed."""
        return self._stack.enter_context(inner)

    def write(self, found: Iterable[object]) -> None:
        """Add messages.

        Raises:
            OSError: The disk does not take them.
        """
        for message in found:
            self._file.write(messages.encode(message) + b"\n")

    def keep(self) -> None:
        """Give the files their names, over what is there."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._part.replace(self._lines)
        if self._video is not None and self.video_path is not None and self.video_path.exists():
            self.video_path.replace(self._video)
