"""The address of a source whose detections come over MQTT, taken apart: ``mqtt://HOST/TOPIC?format=axis``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

from shared.errors import SourceError

Form = Literal["axis", "onvif", "frigate", "darner"]
"""Whose messages they are."""
FORMS: tuple[Form, ...] = get_args(Form)
_SCHEMES = ("mqtt://", "mqtts://")
_SIZE = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,3})")
_KEYS = ("format", "camera", "ids", "quiet", "size")
_USUAL_SIZE = (1920, 1080)
_LONGEST_TOPIC = 1024


@dataclass(frozen=True, slots=True)
class MqttSource:
    """Where the messages of one camera come from, and how they are read.

    Attributes:
        host: Of the broker; empty: the node's own broker, by the node's own settings.
        port: Of the broker; 0: the usual one.
        encrypted: Whether to use TLS.
        username: None: no login.
        password: None: none.
        topic: Without wildcards.
        form: Whose messages they are.
        camera: The camera's name inside the messages; empty: all messages of the topic are its own.
        ours: Whether our tracker follows the objects; else the sender's ids say which is which.
        quiet: Whether the sender may be silent while nothing happens.
        size: Width and height of the picture, pixels.
    """

    host: str
    port: int
    encrypted: bool
    username: str | None
    password: str | None = field(repr=False)
    topic: str
    form: Form
    camera: str
    ours: bool
    quiet: bool
    size: tuple[int, int]

    @property
    def url(self) -> str:
        """The broker's address, without a login."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        return f"{'mqtts' if self.encrypted else 'mqtt'}://{host}{port}"


def is_mqtt(source: int | str) -> bool:
    """Whether a source gives detections over MQTT, and no pictures."""
    return isinstance(source, str) and source.lower().startswith(_SCHEMES)


def parse(source: str) -> MqttSource:
    """Take an address apart.

    Raises:
        SourceError: Something is missing or wrong; the text says what, without the address.
    """
    try:
        parts = urlsplit(source)
        port = parts.port or 0
        chosen = dict(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=20))
    except ValueError:
        raise SourceError("is no address; write mqtt://HOST:PORT/TOPIC?format=FORMAT") from None
    for key in chosen:
        if key not in _KEYS:
            raise SourceError(f"?{key[:40]}= is not known; there are {', '.join(_KEYS)}")
    if not parts.hostname and (parts.netloc or parts.scheme == "mqtts"):
        raise SourceError("names no host; mqtt:///TOPIC is the node's own broker")
    form = chosen.get("format", "")
    if form not in FORMS:
        raise SourceError(f"?format={form[:40]} is not known; it is one of {', '.join(FORMS)}")
    if form == "frigate" and not chosen.get("camera"):
        raise SourceError("needs &camera=NAME: Frigate's topic has the events of all its cameras")
    if form == "frigate" and "size" not in chosen:
        raise SourceError("needs &size=WIDTHxHEIGHT, Frigate's detect size: its boxes are in pixels of that")
    return MqttSource(
        host=parts.hostname or "",
        port=port,
        encrypted=parts.scheme == "mqtts",
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        topic=_topic(unquote(parts.path[1:]) + (f"#{parts.fragment}" if parts.fragment else "")),
        form=form,
        camera=chosen.get("camera", ""),
        ours=_one_of(chosen, "ids", ("theirs", "ours")) == "ours",
        quiet=_one_of(chosen, "quiet", ("no", "yes")) == "yes" or form == "frigate",
        size=_size(chosen.get("size")),
    )


def trouble(source: str) -> str | None:
    """What is wrong with an address; None if nothing is."""
    try:
        parse(source)
    except SourceError as error:
        return str(error)
    return None


def _topic(topic: str) -> str:
    if not topic:
        raise SourceError("names no topic; write it behind the host: mqtt://HOST/TOPIC")
    if "+" in topic or "#" in topic or topic.startswith("$"):
        raise SourceError("needs the topic of one camera, without the wildcards + and #, and without a $")
    if "\0" in topic or len(topic.encode(errors="replace")) > _LONGEST_TOPIC:
        raise SourceError(f"needs a topic of at most {_LONGEST_TOPIC} bytes, without NUL")
    return topic


def _one_of(chosen: Mapping[str, str], key: str, words: tuple[str, str]) -> str:
    """The value of a key; the first word where there is none."""
    value = chosen.get(key, words[0])
    if value not in words:
        raise SourceError(f"?{key}={value[:40]} is not known; it is {words[0]} or {words[1]}")
    return value


def _size(text: str | None) -> tuple[int, int]:
    if text is None:
        return _USUAL_SIZE
    found = _SIZE.fullmatch(text)
    if found is None:
        raise SourceError(f"?size={text[:40]} is no size; write it as 1280x720")
    return int(found[1]), int(found[2])
