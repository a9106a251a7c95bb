"""What changes in a recorded message when it is played: by default nothing.

- With another prefix, its topic and the topics in it change.
- With ``--now``, one linear map moves all its times, so that equal times stay equal and ages are right.
- What a picture's comment says changes as its user properties do.
- In a second pass it gets another session. Otherwise `seq` would run backwards in the session, and events
  would come with identifiers that are known already.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import orjson

from shared.errors import MessageError
from shared.mqtt.received import Received
from shared.wire.picture_names import read_name, with_name, without_name


@dataclass(frozen=True, kw_only=True)
class Retelling:
    """How a recording is played.

    Attributes:
        recorded_prefix: First levels of the recorded topics.
        prefix: First levels of the topics to publish.
        recorded_us: When the recording began.
        started_us: When this pass began: times move there; None leaves times as they are.
        speed: 2 plays twice as fast.
        run: Number of the pass, from 1.
    """

    recorded_prefix: str
    prefix: str
    recorded_us: int
    started_us: int | None
    speed: float
    run: int

    @property
    def changes_nothing(self) -> bool:
        """Whether messages are published byte for byte."""
        return self.prefix == self.recorded_prefix and self.started_us is None and self.run == 1

    def time(self, recorded_us: int) -> int:
        """The time to publish for a recorded one."""
        if self.started_us is None:
            return recorded_us
        return max(0, self.started_us + round((recorded_us - self.recorded_us) / self.speed))

    def topic(self, recorded: str) -> str:
        """The topic to publish for a recorded one."""
        head = f"{self.recorded_prefix}/"
        return f"{self.prefix}/{recorded[len(head) :]}" if recorded.startswith(head) else recorded

    def session(self, recorded: str) -> str:
        """The session to publish for a recorded one."""
        return recorded if self.run == 1 else f"{recorded[:56]}-{self.run}"


def retell(message: Received, story: Retelling) -> Received:
    """The message to publish for a recorded one."""
    if story.changes_nothing:
        return message
    payload = message.payload
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError:  # a picture, or an empty payload
        body, payload = None, _picture(payload, story)
    if isinstance(body, dict):
        payload = orjson.dumps(_body(body, story))
    return dataclasses.replace(
        message,
        topic=story.topic(message.topic),
        payload=payload,
        user_properties={
            name: _property(name, value, story) for name, value in message.user_properties.items()
        },
        response_topic=message.response_topic and story.topic(message.response_topic),
    )


def _picture(jpeg: bytes, story: Retelling) -> bytes:
    try:
        name = read_name(jpeg)
    except MessageError:  # as broken as it was recorded
        return jpeg
    if name is None:
        return jpeg
    session, captured_us = story.session(name.session), story.time(name.captured_us)
    return with_name(without_name(jpeg), dataclasses.replace(name, session=session, captured_us=captured_us))


def _body(value: Any, story: Retelling) -> Any:
    if isinstance(value, list):
        return [_body(item, story) for item in value]
    if not isinstance(value, dict):
        return value
    told = {name: _field(name, item, story) for name, item in value.items()}
    if isinstance(value.get("event_id"), str) and isinstance(value.get("session"), str):
        told["event_id"] = value["event_id"].replace(value["session"], told["session"])
    return told


def _field(name: str, value: Any, story: Retelling) -> Any:
    if name.endswith("_us") and isinstance(value, int):
        return story.time(value)
    if name == "session" and isinstance(value, str):
        return story.session(value)
    if name == "snapshot" and isinstance(value, str):
        return story.topic(value)
    return _body(value, story)


def _property(name: str, value: str, story: Retelling) -> str:
    if name.endswith("_us") and value.isdecimal():
        return str(story.time(int(value)))
    return story.session(value) if name == "session" else value
