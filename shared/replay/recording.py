"""Recordings of messages: text files with one JSON object in each line, for `jq` and `grep` to read.

The first line says what the file is and when the recording began. Each further line is a message:
microseconds since the beginning, topic, QoS, retain flag, properties, and the payload as text or, if it is no
text, in base64. Each line is appended in one write, so a crash costs at most the last line.
"""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Annotated, BinaryIO, Literal

import msgspec
import orjson
from msgspec import Meta

from shared import typed
from shared.errors import DarnerError
from shared.files import PRIVATE, open_new
from shared.mqtt.received import Received

log = logging.getLogger("darner.recording")

LONGEST_LINE = 8_000_000
"""Most bytes of a line, six times the largest JSON message: no file of another kind can fill the memory."""


class RecordingError(DarnerError):
    """A recording cannot be written or read."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """The first line.

    Attributes:
        format: Name and version of the file's format.
        prefix: First levels of the recorded topics.
        started_us: When the recording began, microseconds since 1970 UTC.
    """

    format: Literal["darner.recording/1"] = "darner.recording/1"
    prefix: str
    started_us: Annotated[int, Meta(ge=0)]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One message; fields that are empty are not written."""

    at_us: Annotated[int, Meta(ge=0)]
    topic: Annotated[str, Meta(min_length=1, max_length=65_535, pattern=r"^[^+#\x00]+$")]
    qos: Literal[0, 1, 2]
    retain: bool = False
    content_type: str | None = None
    expiry_s: Annotated[int, Meta(ge=0, lt=2**32)] | None = None
    user_properties: Mapping[str, str] = field(default_factory=dict)
    response_topic: str | None = None
    correlation: str | None = None
    text: str | None = None
    base64: str | None = None

    @staticmethod
    def of(at_us: int, received: Received) -> Line:
        """The line for a message."""
        try:
            text, encoded = received.payload.decode(), None
        except UnicodeDecodeError:
            text, encoded = None, base64.b64encode(received.payload).decode()
        correlation = received.correlation
        return Line(
            at_us=at_us,
            topic=received.topic,
            qos=_qos(received.qos),
            retain=received.retain,
            content_type=received.content_type,
            expiry_s=received.expiry_s,
            user_properties=received.user_properties,
            response_topic=received.response_topic,
            correlation=None if correlation is None else base64.b64encode(correlation).decode(),
            text=text,
            base64=encoded,
        )

    def message(self) -> Received:
        """The message of the line.

        Raises:
            ValueError: A field is not valid base64.
        """
        payload = (
            (self.text or "").encode()
            if self.base64 is None
            else base64.b64decode(self.base64, validate=True)
        )
        return Received(
            topic=self.topic,
            payload=payload,
            qos=self.qos,
            retain=self.retain,
            user_properties=self.user_properties,
            response_topic=self.response_topic,
            correlation=None
            if self.correlation is None
            else base64.b64decode(self.correlation, validate=True),
            content_type=self.content_type,
            expiry_s=self.expiry_s,
        )


def _is_written(value: object) -> bool:
    return value is not None and value is not False and value != {}


def _qos(value: int) -> Literal[0, 1, 2]:
    return 0 if value == 0 else 1 if value == 1 else 2


class Writer:
    """A new recording; `with` opens and closes it.

    Args:
        path: The file to create.
        header: Its first line.
        max_bytes: The file never becomes larger.

    Attributes:
        written: Bytes written so far.
    """

    def __init__(self, path: Path, header: Header, max_bytes: int) -> None:
        self._path = path
        self._header = header
        self._max_bytes = max_bytes
        self._file: BinaryIO | None = None
        self.written = 0

    def __enter__(self) -> Writer:
        try:
            self._file = os.fdopen(open_new(self._path, PRIVATE), "wb", buffering=0)
        except FileExistsError:
            raise RecordingError(f"{self._path}: exists already; name another file or remove it") from None
        except OSError as error:
            raise RecordingError(f"{self._path}: cannot be written: {error.strerror}") from None
        self._append(orjson.dumps(self._header))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, line: Line) -> bool:
        """Append a message; False when the file would become too large, and nothing is written then.

        Raises:
            RecordingError: The disk is full or gone.
        """
        content = orjson.dumps({key: value for key, value in vars(line).items() if _is_written(value)})
        if len(content) >= LONGEST_LINE:
            log.warning(
                "%s: a message whose line has %d bytes is left out; at most %d are allowed",
                line.topic,
                len(content),
                LONGEST_LINE,
            )
            return True
        if self.written + len(content) + 1 > self._max_bytes:
            return False
        self._append(content)
        return True

    def _append(self, content: bytes) -> None:
        assert self._file is not None, "used outside `with`"  # noqa: S101 - a mistake of the caller's, not of a user's
        try:
            # One unbuffered write: the line is in the file even when the process is killed.
            self.written += self._file.write(content + b"\n")
        except OSError as error:
            raise RecordingError(f"{self._path}: cannot be written: {error.strerror}") from None


def read_header(path: Path) -> Header:
    """The first line of a recording.

    Raises:
        RecordingError: The file is missing, or it is no recording.
    """
    try:
        with path.open("rb") as file:
            first = file.readline(LONGEST_LINE)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return typed.convert(orjson.loads(first), Header)
    except (orjson.JSONDecodeError, msgspec.ValidationError):
        raise RecordingError(
            f"{path}: is no recording that this version can play; its first line must say darner.recording/1"
        ) from None


def read(path: Path) -> Iterator[tuple[int, Received]]:
    """Yield each message with its microseconds since the beginning, up to the first damaged line.

    Raises:
        RecordingError: The file cannot be read.
    """
    read_header(path)
    with path.open("rb") as file:
        file.readline(LONGEST_LINE)
        number = 1
        while content := file.readline(LONGEST_LINE):
            number += 1
            try:
                line = typed.convert(orjson.loads(content), Line)
                message = line.message()
            except (ValueError, msgspec.ValidationError):  # no JSON, no such fields, no base64
                log.warning("%s: line %d is damaged or cut off; the recording ends before it", path, number)
                return
            yield line.at_us, message
