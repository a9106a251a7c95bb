"""The topic table: every topic Darner publishes, with its payload, QoS, retain flag and expiry.

A topic is written nowhere else. Patterns are relative to the prefix (default ``darner/v1``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shared import limits
from shared.errors import ConfigError
from shared.wire import messages

DEFAULT_PREFIX = "darner/v1"

_ID = re.compile(messages.ID_PATTERN)
# A command has a word of its own, such as zones.set; all other levels are identifiers.
_COMMAND = re.compile(r"[a-z_.]{1,64}")


@dataclass(frozen=True)
class Topic:
    """One row of the table.

    Attributes:
        name: Its name in code, logs and metrics.
        pattern: Levels below the prefix; ``{...}`` stands for one identifier.
        payload: The message type, or "jpeg" for raw bytes of a picture.
        qos: 0: may be lost; 1: is delivered at least once.
        retain: Whether new subscribers get the last message at once.
        expiry_s: MQTT 5 message expiry; None for no limit.
    """

    name: str
    pattern: str
    payload: type[messages.NodeMessage | messages.Request] | Literal["jpeg"]
    qos: Literal[0, 1]
    retain: bool
    expiry_s: int | None = None

    def path(self, prefix: str, **ids: str) -> str:
        """The concrete topic.

        Raises:
            ConfigError: An identifier has characters that could change the topic's meaning.
        """
        for name, value in ids.items():
            check_id(name, value)
        return f"{prefix}/{self.pattern.format(**ids)}"

    def filter(self, prefix: str) -> str:
        """The topic filter that matches this topic for every node and camera."""
        return f"{prefix}/{re.sub('{[a-z_]+}', '+', self.pattern)}"


STATUS = Topic("status", "{node}/status", messages.NodeStatus, 1, True)
INFO = Topic("info", "{node}/info", messages.NodeInfo, 1, True)
CAMERAS = Topic("cameras", "{node}/cameras", messages.Cameras, 1, True)
CALENDAR = Topic("calendar", "{node}/calendar", messages.Calendar, 1, True)
MODE = Topic("mode", "{node}/mode", messages.ModeState, 1, True)
RULES = Topic("rules", "{node}/rules", messages.Rules, 1, True)
METRICS = Topic("metrics", "{node}/metrics", messages.Metrics, 0, False, 30)
CAMERA_STATUS = Topic("camera_status", "{node}/camera/{camera}/status", messages.CameraStatus, 1, True)
DETECTIONS = Topic("detections", "{node}/camera/{camera}/detections", messages.DetectionsMessage, 0, False, 2)
THUMBNAIL = Topic("thumbnail", "{node}/camera/{camera}/thumbnail", "jpeg", 0, False, 5)
EVENTS = Topic("events", "{node}/camera/{camera}/events", messages.Event, 1, False)
ALERT = Topic("alert", "{node}/camera/{camera}/alert", messages.Event, 1, False)
HEALTH = Topic("health", "{node}/camera/{camera}/health", messages.Health, 1, True)
ZONES = Topic("zones", "{node}/camera/{camera}/zones", messages.Zones, 1, True)
SUSPECTS = Topic("suspects", "{node}/camera/{camera}/suspects", messages.Suspects, 1, True)
ZONE = Topic("zone", "{node}/camera/{camera}/zone/{zone}", messages.ZoneState, 1, True)
COUNT = Topic("count", "{node}/camera/{camera}/count", messages.CountState, 1, True)
SETTINGS = Topic("settings", "{node}/camera/{camera}/settings", messages.SettingsState, 1, True)
SNAPSHOT = Topic("snapshot", "{node}/camera/{camera}/snapshot/{track}", "jpeg", 1, False, 86_400)
TRACK = Topic("track", "{node}/camera/{camera}/track", messages.Track, 1, False)
REQUEST = Topic("request", "{node}/request/{command}", messages.Request, 1, False, 10)
ACK = Topic("ack", "{node}/ack/{archive}", messages.Ack, 1, True)
RESPONSE = Topic("response", "{node}/response/{command}", messages.Response, 1, False, 10)
INTEREST = Topic("interest", "{node}/interest/{viewer}", messages.Interest, 1, True, 180)

# These are not in the table because their topics do not begin with our prefix: Home Assistant's discovery and
# ONVIF's messages, in their formats, and the bundle, whose topic the user names.
DISCOVERY = Topic("discovery", "device/{node}/{camera}/config", dict, 1, True)  # type: ignore[arg-type]  # not ours
NODE_DISCOVERY = Topic("discovery", "device/{node}/config", dict, 1, True)  # type: ignore[arg-type]  # not ours
OF_HOME_ASSISTANT = (NODE_DISCOVERY, DISCOVERY)
ONVIF_SCENE = Topic("onvif_scene", "onvif-mj/VideoAnalytics/{camera}/Darner", dict, 0, False, 2)  # type: ignore[arg-type]  # not ours
# The levels below are those of ONVIF's topics: see edge_node/onvif/event.py.
ONVIF_EVENT = Topic("onvif_event", "onvif-ej", dict, 1, False)  # type: ignore[arg-type]  # not ours
ONVIF_PROPERTY = Topic("onvif_property", "onvif-ej", dict, 1, True)  # type: ignore[arg-type]  # not ours
BUNDLE = Topic("bundle", "webcam-detections", messages.Bundle, 0, False, 5)

TABLE = (
    STATUS,
    INFO,
    CAMERAS,
    CALENDAR,
    MODE,
    RULES,
    METRICS,
    CAMERA_STATUS,
    HEALTH,
    DETECTIONS,
    THUMBNAIL,
    EVENTS,
    ALERT,
    SNAPSHOT,
    TRACK,
    ZONES,
    ZONE,
    SUSPECTS,
    COUNT,
    SETTINGS,
    REQUEST,
    RESPONSE,
    ACK,
    INTEREST,
)

TO_NODES = (REQUEST, ACK, INTEREST)
"""The rows that others send; a node sends all the rest."""
OF_CAMERAS = tuple(row for row in TABLE if row.retain and "{camera}" in row.pattern)
"""The rows that the broker keeps for each camera, also for one that is no more."""

Match = tuple[Topic, Mapping[str, str]]
"""A row, and the identifiers of a topic."""
Places = tuple[int, ...]
Names = tuple[tuple[int, str], ...]


def _by_words() -> dict[int, tuple[Places, dict[tuple[str, ...], tuple[Topic, Names]]]]:
    """The rows by how many levels they have, and by the words that are always in the same levels of them."""
    made: dict[int, tuple[Places, dict[tuple[str, ...], tuple[Topic, Names]]]] = {}
    for row in TABLE:
        levels = row.pattern.split("/")
        places = tuple(at for at, level in enumerate(levels) if level[0] != "{")
        names = tuple((at, level[1:-1]) for at, level in enumerate(levels) if level[0] == "{")
        known, rows = made.setdefault(len(levels), (places, {}))
        assert known == places, f"{row.pattern}: words in other levels than in other rows of this length"  # noqa: S101
        rows[tuple(levels[at] for at in places)] = row, names
    return made


_BY_WORDS = _by_words()


def match(prefix: str, path: str) -> tuple[Topic, dict[str, str]] | None:
    """The row and the identifiers of a concrete topic; None when the topic is not one of ours."""
    if not path.startswith(prefix) or path[len(prefix) : len(prefix) + 1] != "/":
        return None
    levels = path[len(prefix) + 1 :].split("/")
    if len(levels) not in _BY_WORDS:
        return None
    places, rows = _BY_WORDS[len(levels)]
    found = rows.get(tuple([levels[at] for at in places]))
    if found is None:
        return None
    row, names = found
    ids = {name: levels[at] for at, name in names}
    return (row, ids) if all(_may_stand(*one) for one in ids.items()) else None


def may_be_command(value: str) -> bool:
    """Whether `value` has the characters and length of a command's name."""
    return bool(_COMMAND.fullmatch(value))


def _may_stand(name: str, value: str) -> bool:
    return may_be_command(value) if name == "command" else bool(_ID.match(value))


def check_id(what: str, value: str) -> str:
    """Return `value` if it may stand in a topic.

    Raises:
        ConfigError: `value` is empty, too long or has characters other than letters, digits, ``_``, ``-``.
    """
    if not _may_stand(what, value):
        raise ConfigError(f"{what} {value!r}: use 1 to 64 letters, digits, '_' or '-'")
    return value


def check_prefix(prefix: str, key: str = "mqtt.prefix") -> str:
    """Return `prefix` if topics can begin with it.

    Args:
        prefix: Levels, separated by slashes.
        key: What a user calls it, for the error.

    Raises:
        ConfigError: A level is empty or not an identifier, or the whole is too long.
    """
    if len(prefix) > limits.PREFIX_LENGTH:
        size = len(prefix)
        raise ConfigError(
            f"{key} {prefix[:40]!r}...: {size} characters; at most {limits.PREFIX_LENGTH} are possible"
        )
    for level in prefix.split("/"):
        check_id(f"{key}: level", level)
    return prefix
