"""Looks for cameras: asks the network, asks each camera that answers, and opens its streams."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

from edge_node.config.camera_settings import CameraSettings
from edge_node.discover import multicast, onvif, webcams
from edge_node.discover.found import (
    FoundCamera,
    FoundStream,
    identifier,
    largest_first,
    suiting,
    with_login,
)
from edge_node.discover.multicast import Answer
from edge_node.discover.patience import Patience
from edge_node.discover.probing import WATCH_S, probe
from edge_node.discover.soap import DeniedError, Endpoint, Login
from edge_node.discover.webcams import Webcam
from shared.errors import DarnerError, SourceError

log = logging.getLogger("darner.discover")

LISTEN_S, ASK_S = 3.0, 60.0
SERVICE = "/onvif/device_service"
"""Where ONVIF says that the device service is, for a camera of which only the host is known."""
_LOOK_S = 0.1
"""How often it is looked whether somebody has stopped the search, seconds."""
_ASKED_AT_ONCE, _OPENED_AT_ONCE = 16, 3
"""Cameras that are asked side by side, and streams that are opened side by side."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What to look for.

    Attributes:
        side: Longer side of the network's input, pixels.
        interfaces: Names or IPv4 addresses of the interfaces to ask from; empty: all but loopback.
        listen_s: How long to listen for answers, seconds.
        ask_s: How long to ask those that answer, all together, seconds.
        hosts: Ask these cameras, and not the network: host and port of each.
        logins: User and password by host; the one under "" is for every other host.
        opens: Whether streams and webcams are opened.
        watch_s: How long each stream is watched, seconds.
        webcams: Whether to look for webcams.
        port: Where cameras listen for the question; other than 3702 only in tests.
    """

    side: int
    interfaces: Sequence[str] = ()
    listen_s: float = LISTEN_S
    ask_s: float = ASK_S
    hosts: Sequence[tuple[str, int]] = ()
    logins: Mapping[str, Login] = field(default_factory=dict)
    opens: bool = True
    watch_s: float = WATCH_S
    webcams: bool = True
    port: int = multicast.PORT

    def login(self, host: str) -> Login | None:
        """The login for a host."""
        return self.logins.get(host) or self.logins.get("")


def find(
    wish: Wish, stop: threading.Event | None = None, tell: Callable[[str], None] = log.info
) -> list[FoundCamera]:
    """Look for cameras.

    Args:
        wish: What to look for.
        stop: Ends it early.
        tell: Is told what happens now.

    Raises:
        ConfigError: An interface does not exist.
    """
    stop = stop or threading.Event()
    if wish.hosts:
        answers = [Answer(Endpoint(host, port, SERVICE)) for host, port in wish.hosts]
    else:
        sources = multicast.interfaces(wish.interfaces)
        tell(f"asking the network from {', '.join(sources) or 'no interface'} for {wish.listen_s:g} s")
        answers = multicast.search(sources, wish.listen_s, wish.port)
    tell(f"{len(answers)} {'device answers' if len(answers) == 1 else 'devices answer'}")
    found = [camera for many in _asked(answers, wish, stop) for camera in many]
    found += [_of_webcam(one) for one in (webcams.find() if wish.webcams else [])]
    if wish.opens:
        found = _opened(found, wish, stop, tell)
    taken: set[str] = set()
    return [
        replace(one, id=identifier(one.title, taken), chosen=suiting(one.streams, wish.side)) for one in found
    ]


def _asked(answers: Sequence[Answer], wish: Wish, stop: threading.Event) -> list[list[FoundCamera]]:
    """The cameras of each device. Whoever answers too slowly is left with what it has said by then."""
    patience, until = Patience(), time.monotonic() + wish.ask_s
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        try:
            jobs = [pool.submit(_examine, one, wish, patience) for one in answers]
            waiting = set(jobs)
            while waiting and time.monotonic() < until and not stop.is_set():
                waiting = wait(waiting, _LOOK_S).not_done
        finally:  # also when somebody interrupts it: the pool waits for its threads
            patience.end()
        return [job.result() for job in jobs]


def _examine(answer: Answer, wish: Wish, patience: Patience) -> list[FoundCamera]:
    """The cameras of one device, each with its streams."""
    host = answer.service.host
    said = " ".join(part for part in (answer.name, answer.hardware) if part)
    try:
        device = onvif.examine(answer.service, wish.login(host), patience)
    except DarnerError as error:
        note = str(error).removeprefix(f"{host}: ")
        denied = isinstance(error, DeniedError)
        title = said or host
        return [FoundCamera(id="", kind="onvif", title=title, address=host, notes=(note,), denied=denied)]
    title = " ".join(part for part in (device.maker, device.model) if part) or said or host
    several = len(device.cameras) > 1
    cameras = [
        FoundCamera(
            id="",
            kind="onvif",
            title=f"{title} {lens}" if several and lens else title,
            address=host,
            streams=largest_first(
                FoundStream(
                    source=one.url,
                    profile=one.profile,
                    codec=one.codec,
                    width=one.width,
                    height=one.height,
                    fps=one.fps,
                )
                for one in streams
            ),
            notes=device.notes,
        )
        for lens, streams in device.cameras.items()
    ]
    nothing = FoundCamera(
        id="", kind="onvif", title=title, address=host, notes=(*device.notes, "it has no video stream")
    )
    return cameras or [nothing]


def _of_webcam(webcam: Webcam) -> FoundCamera:
    formats = [(width, height, name) for name, sizes in webcam.formats.items() for width, height in sizes]
    width, height, codec = max(formats, default=(None, None, None), key=lambda one: (one[0], one[1]))
    stream = FoundStream(source=webcam.path, codec=codec, width=width, height=height, trouble=webcam.trouble)
    return FoundCamera(
        id="",
        kind="webcam",
        title=webcam.name or "webcam",
        address=webcam.path,
        streams=(stream,),
    )


def _opened(
    found: list[FoundCamera], wish: Wish, stop: threading.Event, tell: Callable[[str], None]
) -> list[FoundCamera]:
    """The cameras, with what their streams really give."""
    count = sum(len(one.streams) for one in found)
    if count:
        tell(f"opening {count} {'stream' if count == 1 else 'streams'}, a few at a time")
    with ThreadPoolExecutor(_OPENED_AT_ONCE) as pool:
        jobs = [
            [pool.submit(_open, stream, wish.login(camera.address), wish, stop) for stream in camera.streams]
            for camera in found
        ]
        try:
            return [
                replace(camera, streams=largest_first(job.result() for job in its))
                for camera, its in zip(found, jobs, strict=True)
            ]
        except BaseException:  # such as an interrupt: the pool waits for its threads
            stop.set()
            raise


def _open(stream: FoundStream, login: Login | None, wish: Wish, stop: threading.Event) -> FoundStream:
    if stop.is_set() or stream.trouble is not None:
        return stream
    try:
        seen = probe(CameraSettings(source=with_login(stream.source, login)), stop, wish.watch_s)
    except SourceError as error:
        return replace(stream, trouble=str(error))
    return replace(
        stream,
        codec=seen.codec or stream.codec,
        width=seen.width,
        height=seen.height,
        fps=seen.fps or stream.fps,
        seen=True,
    )
