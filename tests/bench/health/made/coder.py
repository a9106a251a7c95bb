"""Sends pictures through H.264 and back, one by one; run by the system's Python, which has GStreamer.

    /usr/bin/python3 coder.py WIDTH HEIGHT KBIT GOP

Pictures, BGR, come on standard input and go to standard output, as many as came, once the input ends.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402 - the version must be named first


def main() -> None:
    width, height, kbit, gop = (int(one) for one in sys.argv[1:])
    Gst.init(None)
    pipeline = Gst.parse_launch(
        f"fdsrc fd=0 blocksize={width * height * 3} "
        f"! rawvideoparse width={width} height={height} format=bgr framerate=10/1 ! videoconvert "
        f"! openh264enc bitrate={kbit * 1000} max-bitrate={kbit * 1300} gop-size={gop} complexity=low "
        "rate-control=bitrate ! openh264dec ! videoconvert ! video/x-raw,format=BGR ! fdsink fd=1 sync=false"
    )
    pipeline.set_state(Gst.State.PLAYING)
    pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    main()
