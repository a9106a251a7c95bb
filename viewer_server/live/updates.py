"""Encodes what browsers are sent, once for all of them: the bytes of a whole websocket frame.

Websocket frames from a server have no mask, so every browser can be sent the same bytes.

A program that opens ``/ws`` is sent everything that is known, and then every change of it. The page opens
``/ws?first=names``: it is sent the names of everything, and the rest only of cameras that it shows.

Text messages are JSON objects with a `type`:

========================  ====================================================================================
`hello`                   the first message: forget everything, because all of it follows. `server_us`,
                          `version`, `broker` and `prefix` (what the viewer subscribes to)
`broker`                  `connected`: whether the viewer is connected to the broker; `address`: at which of
                          its addresses, null without a connection
`names`                   where names come first: `nodes`, a list of nodes that are new or have changed, each
                          `[node, status, cameras, name]` with each camera as `[camera, status, name]`. A
                          status is null until it is known. A name is left out where nobody has given one, and
                          a node that is no more is `[node]` alone. The list comes in several messages
`status`, `info`,         a message from the broker: `node`, and `camera` and `zone` where it has them, with
`metrics`, `calendar`,    the message itself in `message`, or null when it was cleared and the thing is gone
`mode`, `rules`,
`camera_status`,
`health`, `zones`,
`zone`, `suspects`
`events`                  the same; `message` is one event, which is sent once, or again for a camera that is
                          shown again
`picture`                 `node`, `camera`, and why the camera's newest picture is not shown, as `refused` in
                          `message`; null when one is shown again
`shown`                   answers `show`: the state of all that is shown has been sent; events follow
`live`                    everything that is known has been sent; where names come first, all names
`pong`                    answers `ping`: `client_ms` as it came, and `server_us`
========================  ====================================================================================

A binary message is one frame of one camera: the length of a JSON header (4 bytes, big-endian), the header,
the JPEG, which is empty where the camera gives no pictures. The header has `node`, `camera`, `picture`
(session, seq, width, height, received_us, matched), `detections` (the node's message; its session and seq are
always those of the picture) and `lost` (how many detections messages of the session did not reach the
viewer). When `matched` is false, the picture did not say which frame it shows, and `detections` is the newest
message, which may be of another frame.

Browsers send text of at most 144 KiB, with at most 1,024 cameras in a message:

========================  ====================================================================================
`ready`                   allows `frames` more binary messages
`ping`                    asks for the server's clock: `client_ms`, a number that comes back
`watch`                   asks for frames of these `cameras` alone, `[[node, camera], ...]`; null: of all.
                          Until then, frames of all are sent, or of none where names come first. The newest
                          frame that is known follows at once, however old: see its `received_us`
`show`                    where names come first: asks for what there is about these `cameras` and their
                          nodes, and no others. What was not asked for before is sent at once
========================  ====================================================================================
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from shared.wire.messages import DetectionsMessage
from viewer_server.live.join import Thumbnail

TEXT, BINARY = 1, 2

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Update:
    """A message for every browser.

    Attributes:
        kind: "state", "names" and "frame" replace an older update with the same key that is not sent yet;
            "event" does not.
        key: What the update is about: the kind of message, then node, camera and so on; for a frame, node and
            camera alone.
        payload: The websocket frame; for "names", one line of the list.
        gone: Whether what the update is about is no more.
    """

    kind: Literal["state", "names", "event", "frame"]
    key: Key
    payload: bytes
    gone: bool = False


def websocket_frame(opcode: int, payload: bytes) -> bytes:
    """A whole, unmasked websocket frame (RFC 6455, section 5.2)."""
    size = len(payload)
    first = 0x80 | opcode
    if size < 126:
        head = struct.pack("!BB", first, size)
    elif size < 65_536:
        head = struct.pack("!BBH", first, 126, size)
    else:
        head = struct.pack("!BBQ", first, 127, size)
    return head + payload


def content(frame: bytes) -> memoryview:
    """The payload of a frame that `websocket_frame` has made."""
    size = {126: 4, 127: 10}.get(frame[1], 2)
    return memoryview(frame)[size:]


def jpeg_of(frame: bytes) -> bytes:
    """The picture in a binary message."""
    message = content(frame)
    [size] = struct.unpack("!I", message[:4])
    return bytes(message[4 + size :])


def text(kind: str, **fields: Any) -> bytes:
    """A text message of this type, as a websocket frame."""
    return websocket_frame(TEXT, orjson.dumps({"type": kind, **fields}))


def names(lines: Iterable[bytes]) -> bytes:
    """A message with lines of the list of names, as a websocket frame."""
    return websocket_frame(TEXT, b'{"type":"names","nodes":[' + b",".join(lines) + b"]}")


def frame(node: str, camera: str, picture: Thumbnail, detections: DetectionsMessage, lost: int) -> Update:
    """A frame of a camera: picture and boxes in one message, so that they stay together.

    Args:
        node: The camera's node.
        camera: The camera.
        picture: The JPEG.
        detections: The boxes.
        lost: Detections messages of the session that did not reach the viewer.
    """
    header = orjson.dumps(
        {
            "node": node,
            "camera": camera,
            "picture": {
                "session": picture.session,
                "seq": picture.seq,
                "width": picture.width,
                "height": picture.height,
                "received_us": picture.received_us,
                "matched": picture.matched,
            },
            "detections": detections,
            "lost": lost,
        }
    )
    payload = struct.pack("!I", len(header)) + header + picture.jpeg
    return Update("frame", (node, camera), websocket_frame(BINARY, payload))
