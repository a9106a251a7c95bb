"""A simulated ONVIF camera: WS-Discovery over UDP multicast and SOAP over HTTP, on real sockets.

Its messages are written after the public WSDLs of ONVIF (devicemgmt, media 1 and 2, remotediscovery). It
checks the WS-UsernameToken as a camera does: digest, a nonce that is used once, and a time near its own.
"""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GROUP = "239.255.255.250"
_NAMESPACES = (
    'xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" '
    'xmlns:dn="http://www.onvif.org/ver10/network/wsdl" xmlns:tt="http://www.onvif.org/ver10/schema" '
    'xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl" '
    'xmlns:tr2="http://www.onvif.org/ver20/media/wsdl" xmlns:ter="http://www.onvif.org/ver10/error"'
)


@dataclass
class Profile:
    """A media profile, as the camera describes it."""

    token: str
    url: str
    codec: str = "H264"
    width: int = 640
    height: int = 360
    fps: int = 25
    lens: str = "VideoSource_1"


@dataclass
class OnvifCamera:
    """A running camera.

    Attributes:
        profiles: Its streams.
        login: User and password; None: everybody may ask.
        by_http: Ask for HTTP digest instead of the token in the message.
        ahead: How far its clock is from ours.
        media2: Whether it has Media 2.
        old: Whether it lacks GetServices, as cameras before ONVIF 2.0.
        named: The host that it names in its addresses; None: the one it has.
        answers: What it answers instead, by operation: HTTP status, headers and body.
        asked: The operations that were asked for, in order.
        paths: The paths that were asked for.
    """

    profiles: list[Profile]
    login: tuple[str, str] | None = None
    by_http: bool = False
    ahead: timedelta = timedelta()
    media2: bool = False
    old: bool = False
    named: str | None = None
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    port: int = 0
    multicast_port: int = 0
    _nonces: set[str] = field(default_factory=set)

    @property
    def address(self) -> str:
        """Where it says its services are."""
        return f"http://{self.named or '127.0.0.1'}:{self.port}/onvif"

    def answer(self, request: bytes, authorized: bool) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer to a SOAP request."""
        body = request.decode().partition("Body>")[2]
        operation = re.search(r"<\w+:(\w+)", body)
        name = operation[1] if operation else ""
        self.asked.append(name)
        if name in self.answers:
            return self.answers[name]
        if self.login and name != "GetSystemDateAndTime":
            if self.by_http and not authorized:
                challenge = 'Digest realm="cam", qop="auth", nonce="abc123", algorithm=MD5'
                return 401, {"WWW-Authenticate": challenge}, b""
            if not self.by_http and not self._token(request.decode()):
                return _fault(400, "Sender", "NotAuthorized", "Sender not authorized")
        if name == "GetServices" and self.old:
            return _fault(500, "Receiver", "ActionNotSupported", "Optional Action Not Implemented")
        inner = getattr(self, f"_{name}", lambda _: None)(body)
        if inner is None:
            return _fault(400, "Receiver", "ActionNotSupported", "Optional Action Not Implemented")
        return 200, {}, _envelope("", inner)

    def digest_fits(self, header: str, method: str) -> bool:
        """Whether an Authorization header is right (RFC 2617)."""
        if self.login is None or not header.startswith("Digest "):
            return False
        said = dict(re.findall(r'(\w+)="?([^",]+)"?', header))
        user, password = self.login
        first = _md5(f"{user}:cam:{password}")
        second = _md5(f"{method}:{said.get('uri')}")
        middle = ":".join(said.get(key, "") for key in ("nonce", "nc", "cnonce", "qop"))
        return said.get("response") == _md5(f"{first}:{middle}:{second}")

    def _token(self, request: str) -> bool:
        found = {
            name: match[1]
            for name in ("Username", "Password", "Nonce", "Created")
            if (match := re.search(rf"<\w+:{name}(?: [^>]*)?>([^<]*)<", request))
        }
        if self.login is None or len(found) < 4 or found["Nonce"] in self._nonces:
            return False
        self._nonces.add(found["Nonce"])
        created = datetime.strptime(found["Created"], "%Y-%m-%dT%H:%M:%S.%f%z")
        if abs(created - datetime.now(timezone.utc) - self.ahead) > timedelta(seconds=5):
            return False
        secret = base64.b64decode(found["Nonce"]) + found["Created"].encode() + self.login[1].encode()
        digest = base64.b64encode(hashlib.sha1(secret, usedforsecurity=False).digest()).decode()
        return found["Username"] == self.login[0] and found["Password"] == digest

    def _GetSystemDateAndTime(self, _: str) -> str:  # noqa: N802 - the operation's name
        now = datetime.now(timezone.utc) + self.ahead
        return (
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType>"
            f"<tt:UTCDateTime><tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
            f"<tt:Second>{now.second}</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}</tt:Year>"
            f"<tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date></tt:UTCDateTime>"
            "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def _GetDeviceInformation(self, _: str) -> str:  # noqa: N802
        return (
            "<tds:GetDeviceInformationResponse><tds:Manufacturer>Simulated</tds:Manufacturer>"
            "<tds:Model>Dome 2</tds:Model><tds:FirmwareVersion>1.0</tds:FirmwareVersion>"
            "<tds:SerialNumber>1</tds:SerialNumber><tds:HardwareId>1</tds:HardwareId>"
            "</tds:GetDeviceInformationResponse>"
        )

    def _GetServices(self, _: str) -> str:  # noqa: N802
        names = {"device": "10/device", "media": "10/media"} | ({"media2": "20/media"} if self.media2 else {})
        services = "".join(
            f"<tds:Service><tds:Namespace>http://www.onvif.org/ver{space}/wsdl</tds:Namespace>"
            f"<tds:XAddr>{self.address}/{name}</tds:XAddr><tds:Version><tt:Major>2</tt:Major>"
            "<tt:Minor>6</tt:Minor></tds:Version></tds:Service>"
            for name, space in names.items()
        )
        return f"<tds:GetServicesResponse>{services}</tds:GetServicesResponse>"

    def _GetCapabilities(self, _: str) -> str:  # noqa: N802
        return (
            "<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Media>"
            f"<tt:XAddr>{self.address}/media</tt:XAddr></tt:Media></tds:Capabilities>"
            "</tds:GetCapabilitiesResponse>"
        )

    def _GetProfiles(self, body: str) -> str:  # noqa: N802
        if "tr2:" in body:
            return (
                f"<tr2:GetProfilesResponse>{''.join(map(_profile2, self.profiles))}</tr2:GetProfilesResponse>"
            )
        return f"<trt:GetProfilesResponse>{''.join(map(_profile1, self.profiles))}</trt:GetProfilesResponse>"

    def _GetStreamUri(self, body: str) -> str | None:  # noqa: N802
        token = re.search(r"ProfileToken>([^<]*)<", body)
        url = next((one.url for one in self.profiles if token and one.token == token[1]), None)
        if url is None:
            return None
        if "tr2:" in body:
            return f"<tr2:GetStreamUriResponse><tr2:Uri>{url}</tr2:Uri></tr2:GetStreamUriResponse>"
        return (
            f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>{url}</tt:Uri>"
            "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:Timeout>PT0S</tt:Timeout>"
            "</trt:MediaUri></trt:GetStreamUriResponse>"
        )


def _profile1(one: Profile) -> str:
    return (
        f'<trt:Profiles token="{one.token}" fixed="true"><tt:Name>{one.token}</tt:Name>'
        f'<tt:VideoSourceConfiguration token="v"><tt:Name>v</tt:Name><tt:SourceToken>{one.lens}'
        '</tt:SourceToken></tt:VideoSourceConfiguration><tt:VideoEncoderConfiguration token="e">'
        f"<tt:Name>e</tt:Name><tt:Encoding>{one.codec}</tt:Encoding><tt:Resolution><tt:Width>{one.width}"
        f"</tt:Width><tt:Height>{one.height}</tt:Height></tt:Resolution><tt:RateControl><tt:FrameRateLimit>"
        f"{one.fps}</tt:FrameRateLimit></tt:RateControl></tt:VideoEncoderConfiguration></trt:Profiles>"
    )


def _profile2(one: Profile) -> str:
    return (
        f'<tr2:Profiles token="{one.token}"><tr2:Name>{one.token}</tr2:Name><tr2:Configurations>'
        f'<tr2:VideoSource token="v"><tt:Name>v</tt:Name><tt:SourceToken>{one.lens}</tt:SourceToken>'
        '</tr2:VideoSource><tr2:VideoEncoder token="e" GovLength="50"><tt:Name>e</tt:Name>'
        f"<tt:Encoding>{one.codec}</tt:Encoding><tt:Resolution><tt:Width>{one.width}</tt:Width><tt:Height>"
        f"{one.height}</tt:Height></tt:Resolution><tt:RateControl><tt:FrameRateLimit>{one.fps}.0"
        "</tt:FrameRateLimit></tt:RateControl></tr2:VideoEncoder></tr2:Configurations></tr2:Profiles>"
    )


def _fault(status: int, code: str, subcode: str, words: str) -> tuple[int, dict[str, str], bytes]:
    inner = (
        f"<SOAP-ENV:Fault><SOAP-ENV:Code><SOAP-ENV:Value>SOAP-ENV:{code}</SOAP-ENV:Value><SOAP-ENV:Subcode>"
        f"<SOAP-ENV:Value>ter:{subcode}</SOAP-ENV:Value></SOAP-ENV:Subcode></SOAP-ENV:Code>"
        f'<SOAP-ENV:Reason><SOAP-ENV:Text xml:lang="en">{words}</SOAP-ENV:Text></SOAP-ENV:Reason>'
        "</SOAP-ENV:Fault>"
    )
    return status, {}, _envelope("", inner)


def _envelope(header: str, body: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope {_NAMESPACES}><SOAP-ENV:Header>{header}'
        f"</SOAP-ENV:Header><SOAP-ENV:Body>{body}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    ).encode()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _handler(camera: OnvifCamera) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            camera.paths.append(self.path)
            request = self.rfile.read(int(self.headers["Content-Length"]))
            fits = camera.digest_fits(self.headers.get("Authorization", ""), "POST")
            status, headers, body = camera.answer(request, fits)
            self.send_response(status)
            self.send_header("Content-Type", "application/soap+xml; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    return Handler


def _listen(camera: OnvifCamera, listening: socket.socket, ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            datagram, sender = listening.recvfrom(65_535)
        except OSError:
            continue
        message = re.search(rb"MessageID>([^<]*)<", datagram)
        if message is None or b"NetworkVideoTransmitter" not in datagram:
            continue
        header = (
            f"<a:RelatesTo>{message[1].decode()}</a:RelatesTo>"
            "<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</a:Action>"
        )
        match = (
            "<d:ProbeMatches><d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:1</a:Address>"
            "</a:EndpointReference><d:Types>dn:NetworkVideoTransmitter tds:Device</d:Types><d:Scopes>"
            "onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/Front%20door "
            "onvif://www.onvif.org/hardware/Dome2 onvif://www.onvif.org/Profile/Streaming</d:Scopes>"
            f"<d:XAddrs>{camera.address}/device_service</d:XAddrs>"
            "<d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches>"
        )
        listening.sendto(_envelope(header, match), sender)


@contextmanager
def onvif_camera(camera: OnvifCamera, multicast_port: int = 0) -> Iterator[OnvifCamera]:
    """Run a camera until the block ends; it sets `port` and `multicast_port`."""
    ended = threading.Event()
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), _handler(camera)) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening,
    ):
        camera.port = server.server_port
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((GROUP, multicast_port))
        camera.multicast_port = listening.getsockname()[1]
        joined = struct.pack("4s4s", socket.inet_aton(GROUP), socket.inet_aton("127.0.0.1"))
        listening.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
        listening.settimeout(0.1)
        threads = [
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True),
            threading.Thread(target=_listen, args=(camera, listening, ended), daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            yield camera
        finally:
            ended.set()
            server.shutdown()
            for thread in threads:
                thread.join()


def main() -> None:
    """Run one for a look by hand: its streams are the arguments, each as URL,WIDTH,HEIGHT."""
    import sys

    profiles = []
    for number, word in enumerate(sys.argv[1:]):
        url, width, height = word.rsplit(",", 2)
        profiles.append(Profile(f"profile_{number}", url, width=int(width), height=int(height)))
    with onvif_camera(OnvifCamera(profiles, login=("admin", "secret-word")), 3702) as camera:
        print(f"{camera.address}/device_service", flush=True)
        time.sleep(3600)


if __name__ == "__main__":
    main()
