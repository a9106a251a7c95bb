"""A real RTSP camera for tests: GStreamer's RTSP server with the time burnt into each picture.

It runs under the system's Python, which has GStreamer's bindings (packages python3-gi and
gir1.2-gst-rtsp-server-1.0), so it imports nothing of ours. It prints its port and then obeys lines on
standard input: `stall` and `go` stop and start the pictures, `cut` disconnects every client, and `size W H`
changes the resolution in mid-stream. It ends with its standard input.

The time is written into each picture as 64 blocks of 8x8 pixels, 32 in a row, from the top left corner. They
are the bits of the microseconds since 1970, highest first; white is 1. With `--pictures`, a named pipe gives
the pictures instead, BGR, one after the other.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 - the versions must be named first

BLOCK = 8
ENCODERS = {
    "h264": "openh264enc gop-size=25 complexity=low ! h264parse ! rtph264pay config-interval=-1",
    "mjpeg": "jpegenc ! rtpjpegpay",
    "h264 twice": "tee name=both ! queue ! openh264enc gop-size=25 complexity=low ! h264parse ! rtph264pay "
    "config-interval=-1 name=pay1 both. ! queue ! openh264enc gop-size=25 complexity=low ! h264parse ! "
    "rtph264pay config-interval=-1",
}


def picture(width: int, height: int, number: int) -> bytearray:
    """A moving pattern with the time in it, I420."""
    row = bytes((x + 4 * number) % 160 + 48 for x in range(width))
    image = bytearray(row * height + bytes([128]) * (width * height // 2))
    micros = time.time_ns() // 1000
    for half in range(2):
        bits = (micros >> (32 * (1 - half))) & 0xFFFFFFFF
        line = b"".join((b"\xeb" if bits >> (31 - i) & 1 else b"\x10") * BLOCK for i in range(32))
        for y in range(half * BLOCK, (half + 1) * BLOCK):
            image[y * width : y * width + len(line)] = line
    return image


def plays(source: Gst.Element) -> bool:
    """Whether the source's clock has begun.

    A picture that is pushed sooner is stamped with the machine's uptime instead of the stream's time, and the
    server keeps it, and all that follow, until the stream has run for as long.
    """
    return bool(source.get_state(0).state == Gst.State.PLAYING)


class Camera:
    """Pushes pictures into every client's pipeline."""

    def __init__(self, width: int, height: int, fps: int, pictures: str | None = None) -> None:
        self.size, self.fps, self._pictures = (width, height), fps, pictures
        self.going = threading.Event()
        self.going.set()
        self._sources: list[Gst.Element] = []

    def configure(self, _factory: object, media: GstRtspServer.RTSPMedia) -> None:
        source = media.get_element().get_by_name("source")
        source.set_property("caps", self._caps())
        media.connect("unprepared", lambda _: self._sources.remove(source))
        self._sources.append(source)

    def run(self) -> None:
        number, due = 0, time.monotonic()
        given = Path(self._pictures).open("rb") if self._pictures else None  # noqa: SIM115 - for ever
        while True:
            self.going.wait()
            due = max(due + 1 / self.fps, time.monotonic() - 1)
            time.sleep(max(0.0, due - time.monotonic()))
            width, height = self.size
            image = given.read(width * height * 3) if given else picture(width, height, number)
            for source in list(self._sources):
                if not plays(source):
                    continue
                if source.get_property("caps").get_structure(0).get_int("width")[1] != width:
                    source.set_property("caps", self._caps())
                source.emit("push-buffer", Gst.Buffer.new_wrapped(bytes(image)))
            number += 1

    def _caps(self) -> Gst.Caps:
        width, height = self.size
        how = "BGR" if self._pictures else "I420"
        return Gst.Caps.from_string(
            f"video/x-raw,format={how},width={width},height={height},framerate={self.fps}/1"
        )


def protect(server: GstRtspServer.RTSPServer, factory: GstRtspServer.RTSPMediaFactory, password: str) -> None:
    """Let only the user admin watch, by digest."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    access = GstRtspServer.RTSPAuth()
    access.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    access.add_digest("admin", password, token)
    server.set_auth(access)
    permissions = GstRtspServer.RTSPPermissions()
    for what in ("access", "construct"):
        permissions.add_permission_for_role("viewer", f"media.factory.{what}", True)
    factory.set_permissions(permissions)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--codec", choices=ENCODERS, default="h264")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--transport", choices=["tcp", "udp"], help="refuse the other one")
    parser.add_argument("--password", help="that of the user admin, who alone may watch")
    parser.add_argument("--pictures", help="a named pipe with the pictures")
    options = parser.parse_args()
    Gst.init(None)
    camera = Camera(options.width, options.height, options.fps, options.pictures)
    factory = GstRtspServer.RTSPMediaFactory()
    source = (
        "appsrc name=source is-live=true do-timestamp=true format=time max-buffers=2 leaky-type=downstream"
    )
    factory.set_launch(f"( {source} ! videoconvert ! {ENCODERS[options.codec]} name=pay0 )")
    factory.set_shared(True)
    factory.set_latency(0)
    factory.connect("media-configure", camera.configure)
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service="0")
    if options.transport:
        both = {"tcp": GstRtsp.RTSPLowerTrans.TCP, "udp": GstRtsp.RTSPLowerTrans.UDP}
        factory.set_protocols(both[options.transport])
    if options.password:
        protect(server, factory, options.password)
    server.get_mount_points().add_factory("/cam", factory)
    server.attach(None)
    threading.Thread(target=camera.run, daemon=True).start()
    loop = GLib.MainLoop()

    def obey() -> None:
        for line in sys.stdin:
            match line.split():
                case ["stall"]:
                    camera.going.clear()
                case ["go"]:
                    camera.going.set()
                case ["cut"]:
                    server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)
                case ["size", width, height]:
                    camera.size = (int(width), int(height))
        loop.quit()

    threading.Thread(target=obey, daemon=True).start()
    print(server.get_bound_port(), flush=True)
    loop.run()


if __name__ == "__main__":
    main()
