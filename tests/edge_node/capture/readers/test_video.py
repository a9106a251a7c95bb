from __future__ import annotations

import threading
import time

from edge_node.capture.readers.video import FfmpegOptions


def test_a_stream_with_options_opens_however_many_others_are_being_opened() -> None:
    options, done = FfmpegOptions(), threading.Event()

    def keep_opening(first_s: float) -> None:
        time.sleep(first_s)
        while not done.is_set():
            with options.use(None):
                time.sleep(0.02)

    def open_alone() -> None:
        with options.use("rtsp_transport;udp"):
            pass

    others = [threading.Thread(target=keep_opening, args=(place * 0.007,)) for place in range(3)]
    for other in others:
        other.start()
    time.sleep(0.05)
    alone = threading.Thread(target=open_alone)
    alone.start()
    alone.join(30)
    late = alone.is_alive()
    done.set()
    for thread in (alone, *others):
        thread.join(30)
    assert not late
