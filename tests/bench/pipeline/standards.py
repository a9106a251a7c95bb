"""What finished tracks and ONVIF cost the thread that tracks: microseconds a frame without and with them.

    python tests/bench/pipeline/standards.py [--rounds 25]

The thread tracks, counts at four zones and four lines, and hands the frame's messages on, as in a node that
has no connection. All ways take turns on the same simulated scene of a second, and each round counts
the thread's own time, so that a busy machine changes little. Last is the largest message of a finished track.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from edge_node.analytics.watch import Watch
from edge_node.config.camera_settings import AnalyticsSettings, CameraSettings
from edge_node.config.live import LiveStore
from edge_node.config.publishing import OnvifSettings, TrackSettings
from edge_node.config.saved.definitions import Definitions
from edge_node.config.settings import EdgeConfig, TrackerSettings
from edge_node.frames import Detected
from edge_node.mirror.mirror import Mirror
from edge_node.outbox.outbox import Outbox
from edge_node.publish.compose import Composer
from edge_node.publish.publisher import Publisher
from edge_node.publish.snapshot_sender import SnapshotSender
from shared import limits
from shared.mqtt.client import Client
from shared.wire import messages
from shared.wire.messages import LineDefinition, ZoneDefinition, now_us
from tests.bench.pipeline.collecting import frames

_COUNTS = (0, 5, 20, 100)
_ZONES = {
    f"zone{n}": ZoneDefinition(polygon=((n / 4, 0), (n / 4 + 0.25, 0), (n / 4 + 0.25, 1), (n / 4, 1)))
    for n in range(4)
}
_LINES = {f"line{n}": LineDefinition(points=((n / 5, 1), (n / 5, 0))) for n in range(1, 5)}
_DEFINED = Definitions(version=0, zones=_ZONES, lines=_LINES)


class Way:
    """One way to run the thread.

    Args:
        tracks: Settings of finished tracks.
        onvif: Settings of ONVIF; None: nothing is called.
    """

    def __init__(self, tracks: TrackSettings, onvif: OnvifSettings | None) -> None:
        cameras = {"a": CameraSettings(source=0, tracks=tracks)}
        config = EdgeConfig(node="bench", cameras=cameras, onvif=onvif or OnvifSettings())
        client = Client(config.mqtt, name="bench")
        outbox = Outbox(client, config.outbox, config.node, config.mqtt.prefix, "s")
        composer = Composer(config.node, "s", ("person",))
        snapshots = SnapshotSender(client)
        self._mirror = Mirror(client, config, ("person",))
        also = (lambda _: None) if onvif is None else self._mirror.offer
        self._publisher = Publisher(client, outbox, snapshots, config, LiveStore(config), composer, also)
        self._watch = Watch(AnalyticsSettings(), _DEFINED, TrackerSettings(), ("person",))

    def run(self, film: Sequence[Detected]) -> float:
        """Microseconds of the thread for a frame."""
        began = time.thread_time_ns()
        for detected in film:
            self._publisher.publish_all(Watch.update_each([self._watch], [detected]))
        taken = time.thread_time_ns() - began
        self._mirror.__exit__(None, None, None)
        return taken / len(film) / 1e3


def largest() -> int:
    """Bytes of the largest message of a finished track."""
    name = "z" * limits.ID_LENGTH
    stays = [messages.TrackStay(zone=name, entered_s=1234.567, dwell_s=1234.567, ended="exited")]
    crossings = [messages.TrackCrossing(line=name, direction="out", at_s=1234.567)]
    votes = messages.ClassVotes(detections=10**9, score=0.1234)
    labels = [f"{number:>{limits.LABEL_LENGTH}}" for number in range(limits.TRACK_CLASSES)]
    box = (0.12345, 0.12345, 0.12345, 0.12345)
    return len(
        messages.encode(
            messages.Track(
                node=name,
                session="s",
                published_us=now_us(),
                camera=name,
                seq=10**9,
                captured_us=now_us(),
                track_id=10**9,
                class_id=0,
                label=labels[0],
                classes=dict.fromkeys(labels, votes),
                score=0.12345,
                detections=10**9,
                started_us=now_us(),
                ended_us=now_us(),
                duration_s=86_400.123,
                ended="camera_stopped",
                path=[(86_400.123, 0.12345, 0.12345)] * limits.PATH_POINTS,
                path_error=0.12345,
                first_box=box,
                last_box=box,
                stays=tuple(stays * limits.TRACK_VISITS),
                crossings=tuple(crossings * limits.TRACK_VISITS),
                snapshot="t" * limits.TEXT_LENGTH,
            )
        )
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=25)
    rounds = parser.parse_args().rounds
    on, off = TrackSettings(enabled=True), TrackSettings()
    ways: dict[str, tuple[TrackSettings, OnvifSettings | None]] = {
        "without": (off, None),
        "off": (off, OnvifSettings()),
        "tracks": (on, OnvifSettings()),
        "events": (off, OnvifSettings(events=True)),
        "frames": (off, OnvifSettings(frames=True)),
    }
    print(f"{'objects':>8}{'without':>12}" + "".join(f"{name:>12}" for name in list(ways)[1:]))
    for count in _COUNTS:
        film = frames(count)
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, one in ways.items():
                times[name].append(Way(*one).run(film))
        base, *others = (statistics.median(values) for values in times.values())
        more = "".join(f"{100 * (value / base - 1):>+11.1f}%" for value in others)
        print(f"{count:>8}{base:>9.1f} us{more}", flush=True)
    print(f"largest message of a finished track: {largest()} bytes")


if __name__ == "__main__":
    main()
