"""Makes films in many containers with GStreamer, under the system's Python, which has its bindings.

Every film has 30 pictures of one grey level each: picture i has the luma 40 + 6 i (modulo 180). They
are 1/25 s apart, unless `TIMES_MS` says otherwise. Prints the name of each film that was made.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402 - the version must be named first

COUNT, STEP_MS = 30, 40
WIDTH, HEIGHT = 160, 96
VARYING_MS = [i * STEP_MS if i < 10 else 400 + (i - 10) * 200 for i in range(COUNT)]
GAP_MS = [i * STEP_MS if i < 10 else 600_000 + i * STEP_MS for i in range(COUNT)]
H264 = "openh264enc gop-size=10 ! h264parse ! "
HEVC = "x265enc key-int-max=10 speed-preset=ultrafast ! h265parse ! "
FILMS = {
    "h264.mp4": H264 + "mp4mux",
    "fragments.mp4": H264 + "mp4mux fragment-duration=500",
    "h264.mov": H264 + "qtmux",
    "h264.mkv": H264 + "matroskamux",
    "endless.mkv": H264 + "matroskamux streamable=true",
    "h264.ts": H264 + "mpegtsmux",
    "h264.flv": H264 + "flvmux",
    "jpegs.avi": "jpegenc ! avimux",
    "vp8.webm": "vp8enc deadline=1 ! webmmux",
    "vp9.webm": "vp9enc deadline=1 cpu-used=8 ! webmmux",
    "hevc.mp4": HEVC + "mp4mux",
    "raw.h264": H264 + "video/x-h264,stream-format=byte-stream",
    "raw.hevc": HEVC + "video/x-h265,stream-format=byte-stream",
    "raw.mjpeg": "jpegenc",
    "varying.mkv": H264 + "matroskamux",
    "gap.mkv": H264 + "matroskamux",
    "late.mkv": H264 + "matroskamux",
}
TIMES_MS = {
    "varying.mkv": VARYING_MS,
    "gap.mkv": GAP_MS,
    "late.mkv": [36_000_000 + i * STEP_MS for i in range(COUNT)],
}


def make(chain: str, times_ms: list[int]) -> bool:
    """Push the pictures through a chain; False when it does not work here."""
    caps = f"video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate=25/1"
    try:
        pipeline = Gst.parse_launch(f"appsrc name=source format=time caps={caps} ! {chain}")
    except gi.repository.GLib.Error:
        return False
    pipeline.set_state(Gst.State.PLAYING)
    source = pipeline.get_by_name("source")
    for number, at_ms in enumerate(times_ms):
        luma = 40 + 6 * number % 180
        picture = Gst.Buffer.new_wrapped(
            bytes([luma]) * (WIDTH * HEIGHT) + bytes([128]) * (WIDTH * HEIGHT // 2)
        )
        picture.pts = picture.dts = at_ms * Gst.MSECOND
        picture.duration = STEP_MS * Gst.MSECOND
        source.emit("push-buffer", picture)
    source.emit("end-of-stream")
    kinds = Gst.MessageType.EOS | Gst.MessageType.ERROR
    ended = pipeline.get_bus().timed_pop_filtered(30 * Gst.SECOND, kinds)
    pipeline.set_state(Gst.State.NULL)
    return ended is not None and ended.type == Gst.MessageType.EOS


def main() -> None:
    Gst.init(None)
    folder = Path(sys.argv[1])
    steady = [i * STEP_MS for i in range(COUNT)]
    for name, chain in FILMS.items():
        if make(f"{chain} ! filesink location={folder / name}", TIMES_MS.get(name, steady)):
            print(name)
    parts = f"playlist-location={folder / 'film.m3u8'} location={folder / 'part%d.ts'}"
    playlist = "max-files=0 playlist-length=0 target-duration=1"
    chain = f"{H264.replace('10', '25')}hlssink2 {parts} {playlist}"
    if make(chain, [i * STEP_MS for i in range(200)]):
        print("film.m3u8")


if __name__ == "__main__":
    main()
