"""What one ONVIF camera has: its makers' names, and the streams of each of its pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from edge_node.config.sources import printable
from edge_node.discover.markup import Element
from edge_node.discover.patience import Patience
from edge_node.discover.soap import Conversation, DeniedError, Endpoint, Login
from shared.errors import SourceError

MAX_PROFILES = 64
"""The most profiles of one camera that are looked at; a recorder has two or three for each of its cameras."""
_LONGEST = 100
_LONGEST_ADDRESS = 1000
_DEVICE = "http://www.onvif.org/ver10/device/wsdl"
_MEDIA = "http://www.onvif.org/ver10/media/wsdl"
_MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
_CODECS = {"h264": "H.264", "h265": "H.265", "hevc": "H.265", "jpeg": "MJPEG", "mpeg4": "MPEG-4"}
_SCHEMES = ("rtsp", "rtsps", "http", "https")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """One stream of a camera, as the camera describes it.

    Attributes:
        profile: The camera's name for it.
        url: Its address, without user and password.
        codec: Such as ``H.264``; None if the camera does not say, as for the following.
        width: Pixels.
        height: Pixels.
        fps: Most frames a second.
    """

    profile: str
    url: str
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """A camera, or a recorder with several.

    Attributes:
        maker: Who made it; empty if it does not say, as for `model`.
        model: What it is.
        cameras: The streams of each picture, by the device's own name for the lens or channel.
        notes: What could not be asked, and why.
    """

    maker: str
    model: str
    cameras: dict[str, list[Stream]]
    notes: tuple[str, ...] = ()


def examine(service: Endpoint, login: Login | None, patience: Patience | None = None) -> Device:
    """Ask a camera for its streams.

    Args:
        service: Its device service.
        login: User and password; None: ask without.
        patience: Ends it early; the streams that are known by then count.

    Raises:
        DeniedError: It wants a login, or not this one.
        SourceError: It does not answer as ONVIF says.
    """
    patience = patience or Patience()
    talk = Conversation(login, patience)
    talk.ahead = _ahead(talk, service)
    maker, model = _makers(talk, service)
    media = _media(talk, service)
    answer = talk.ask(media.service, f"{media.namespace}/GetProfiles", media.profiles)
    cameras: dict[str, list[Stream]] = {}
    notes: list[str] = []
    for profile in list(answer.all("Profiles"))[:MAX_PROFILES]:
        token = profile.attributes.get("token", "")
        encoder = profile.first("VideoEncoderConfiguration") or profile.first("VideoEncoder")
        if not token or encoder is None:
            continue  # without an encoder it has no picture: it may be for sound, or not be set up
        name = printable(profile.read("Name") or token)[:_LONGEST]
        try:
            url = _address(talk, media, token)
        except DeniedError:
            raise
        except SourceError as error:
            notes.append(f"profile {name}: {error}")
            if patience.over:
                break
            continue
        source = profile.first("VideoSourceConfiguration") or profile.first("VideoSource")
        lens = "" if source is None else source.read("SourceToken")
        cameras.setdefault(printable(lens)[:_LONGEST], []).append(_stream(name, url, encoder))
    return Device(maker=maker, model=model, cameras=cameras, notes=tuple(notes))


@dataclass(frozen=True, slots=True)
class _Media:
    """The service that knows the streams: Media 2 names H.265, which Media 1 cannot."""

    service: Endpoint
    version: Literal[1, 2]

    @property
    def namespace(self) -> str:
        return _MEDIA if self.version == 1 else _MEDIA2

    @property
    def profiles(self) -> str:
        if self.version == 1:
            return "<trt:GetProfiles/>"
        types = "<tr2:Type>VideoSource</tr2:Type><tr2:Type>VideoEncoder</tr2:Type>"
        return f"<tr2:GetProfiles>{types}</tr2:GetProfiles>"

    def stream(self, token: str) -> str:
        """The question for one profile's address."""
        if self.version == 1:
            over = "<tt:Transport><tt:Protocol>RTSP</tt:Protocol></tt:Transport>"
            setup = f"<tt:Stream>RTP-Unicast</tt:Stream>{over}"
            return (
                f"<trt:GetStreamUri><trt:StreamSetup>{setup}</trt:StreamSetup>"
                f"<trt:ProfileToken>{escape(token)}</trt:ProfileToken></trt:GetStreamUri>"
            )
        return (
            "<tr2:GetStreamUri><tr2:Protocol>RtspUnicast</tr2:Protocol>"
            f"<tr2:ProfileToken>{escape(token)}</tr2:ProfileToken></tr2:GetStreamUri>"
        )


def _ahead(talk: Conversation, service: Endpoint) -> timedelta:
    """How far the camera's clock is ahead; it tells everybody. Nothing where it does not."""
    try:
        answer = talk.ask(
            service, f"{_DEVICE}/GetSystemDateAndTime", "<tds:GetSystemDateAndTime/>", anonymous=True
        )
        utc = answer.first("UTCDateTime")
        if utc is None:
            return timedelta()
        year, month, day, hour, minute, second = (
            int(utc.read(part)) for part in ("Year", "Month", "Day", "Hour", "Minute", "Second")
        )
        there = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=timezone.utc)
        return there - datetime.now(timezone.utc)
    except (DeniedError, ValueError):
        return timedelta()


def _makers(talk: Conversation, service: Endpoint) -> tuple[str, str]:
    try:
        answer = talk.ask(service, f"{_DEVICE}/GetDeviceInformation", "<tds:GetDeviceInformation/>")
    except SourceError:  # the login may not be allowed to see it, and yet to see the streams
        return "", ""
    maker, model = (printable(answer.read(name))[:_LONGEST] for name in ("Manufacturer", "Model"))
    return maker, model


def _media(talk: Conversation, service: Endpoint) -> _Media:
    """The newest media service that the camera has."""
    try:
        answer = talk.ask(
            service,
            f"{_DEVICE}/GetServices",
            "<tds:GetServices><tds:IncludeCapability>false</tds:IncludeCapability></tds:GetServices>",
        )
    except DeniedError:
        raise
    except SourceError:
        pass  # older cameras have only GetCapabilities
    else:
        named = {one.read("Namespace"): one.read("XAddr") for one in answer.all("Service")}
        if _MEDIA2 in named:
            return _Media(service.elsewhere(named[_MEDIA2]), 2)
        if _MEDIA in named:
            return _Media(service.elsewhere(named[_MEDIA]), 1)
    answer = talk.ask(
        service,
        f"{_DEVICE}/GetCapabilities",
        "<tds:GetCapabilities><tds:Category>Media</tds:Category></tds:GetCapabilities>",
    )
    address = answer.read("Capabilities", "Media", "XAddr")
    if not address:
        raise SourceError(f"{service.host}: it has no media service, so it has no streams")
    return _Media(service.elsewhere(address), 1)


def _address(talk: Conversation, media: _Media, token: str) -> str:
    """A stream's address: on the host that answered, without a login that the camera may have put into it."""
    answer = talk.ask(media.service, f"{media.namespace}/GetStreamUri", media.stream(token))
    named = answer.read("Uri")
    try:
        parts = urlsplit(named)
        port = parts.port
    except ValueError:
        raise SourceError("its address cannot be read") from None
    if parts.scheme not in _SCHEMES or len(named) > _LONGEST_ADDRESS or not named.isprintable():
        raise SourceError("its address is not one of RTSP or HTTP")
    host = media.service.host
    place = f"[{host}]" if ":" in host else host
    if port is not None:
        place += f":{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{place}{parts.path}{query}"


def _stream(name: str, url: str, encoder: Element) -> Stream:
    encoding = encoder.read("Encoding")
    fps = encoder.read("RateControl", "FrameRateLimit")
    return Stream(
        profile=name,
        url=url,
        codec=_CODECS.get(encoding.lower(), printable(encoding)[:20]) or None,
        width=_whole(encoder.read("Resolution", "Width")),
        height=_whole(encoder.read("Resolution", "Height")),
        fps=float(fps) if re.fullmatch(r"\d{1,3}(\.\d{1,6})?", fps) and float(fps) > 0 else None,
    )


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[1-9]\d{0,4}", text) else None
