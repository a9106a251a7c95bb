"""A stand-in for an edge node: real messages to a real broker, with pictures that prove which frame they are.

Every picture of seq N shows a bright block where the boxes message of seq N says the object is, and N itself
as 16 black or white squares along its upper edge, so whoever has the pixels can tell which frame was drawn
and whether the boxes are its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import topics
from shared.wire.messages import (
    CameraInfo,
    CameraMetrics,
    CameraStatus,
    CollectMetrics,
    DetectedObject,
    DetectionsMessage,
    Dwell,
    Event,
    EventType,
    FilterDefinition,
    IgnoredObject,
    LineDefinition,
    MaskDefinition,
    Metrics,
    ModelInfo,
    NodeInfo,
    NodeStatus,
    PictureName,
    Suspect,
    Suspects,
    ZoneDefinition,
    Zones,
    ZoneState,
    encode,
    now_us,
)
from shared.wire.picture_names import properties, with_name

WIDTH, HEIGHT = 640, 360
BITS = 16
BIT = WIDTH // BITS
BLOCK = (0.1, 0.3)
"""Width and height of the object, as fractions of the picture."""
Region = tuple[float, float, float, float]
"""Left, top, right and bottom, as fractions of the picture."""
KITE: IgnoredObject = {
    "class_id": 33,
    "label": "kite",
    "score": 0.41,
    "box": (0.6, 0.3, 0.7, 0.4),
    "reason": "mask",
    "mask": "sky",
}
SMALL: IgnoredObject = {
    "class_id": 0,
    "label": "person",
    "score": 0.52,
    "box": (0.3, 0.7, 0.33, 0.76),
    "reason": "min_size",
    "mask": None,
}
"""Two detections that are ignored: by the mask "sky", and by a filter."""


def box_of(seq: int) -> tuple[float, float, float, float]:
    """Where the object of frame `seq` is: a different place in each of 61 frames in a row."""
    x = round(0.02 + 0.8 * (seq * 7 % 61) / 60, 4)
    y = round(0.2 + 0.45 * (seq % 13) / 12, 4)
    return x, y, round(x + BLOCK[0], 4), round(y + BLOCK[1], 4)


def picture_of(seq: int, background: int = 60) -> bytes:
    """The JPEG of frame `seq`."""
    image = np.full((HEIGHT, WIDTH, 3), background, np.uint8)
    x1, y1, x2, y2 = (round(v * side) for v, side in zip(box_of(seq), (WIDTH, HEIGHT) * 2, strict=True))
    image[y1:y2, x1:x2] = (40, 220, 250)
    for bit in range(BITS):
        image[:BIT, bit * BIT : (bit + 1) * BIT] = 255 if seq >> bit & 1 else 0
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert ok
    return data.tobytes()


@dataclass
class FakeEdge:
    """One node with any number of cameras; `with` connects it."""

    url: str
    node: str = "test"
    session: str = "s1"
    prefix: str = topics.DEFAULT_PREFIX
    version: str = "5"
    capabilities: tuple[str, ...] = ("masks", "names")

    def __enter__(self) -> FakeEdge:
        settings = MqttSettings(
            url=self.url, prefix=self.prefix, version="5" if self.version == "5" else "3.1.1"
        )
        self.client = Client(settings, name=self.node).__enter__()
        assert self.client.wait_connected(30)
        return self

    def __exit__(self, *error: object) -> None:
        self.client.finish(30)
        self.client.__exit__(None, None, None)

    def path(self, topic: topics.Topic, **ids: str) -> str:
        return topic.path(self.prefix, node=self.node, **ids)

    def common(self) -> dict[str, object]:
        return {"node": self.node, "session": self.session, "published_us": now_us()}

    def announce(
        self,
        *cameras: str,
        online: bool = True,
        told: Mapping[str, CameraInfo] | None = None,
        lineage: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> None:
        """Status, manifest and a streaming camera each.

        The manifest has what `told` says of some cameras, and `lineage` of the model's file.
        People call the node `name`.
        """
        status = NodeStatus(
            node=self.node,
            session=self.session,
            published_us=now_us(),
            status="online" if online else "offline",
            version="0.1.0",
        )
        info = NodeInfo(
            node=self.node,
            session=self.session,
            published_us=now_us(),
            name=name,
            version="0.1.0",
            cameras=tuple(
                (told or {}).get(name) or CameraInfo(camera=name, source="test", zones=1, lines=1)
                for name in cameras
            ),
            model=ModelInfo(
                name="nanodet_g_416",
                classes=("person",),
                input_width=416,
                input_height=416,
                layout="yolov8",
                **(lineage or {}),
            ),
            backend="onnx",
            device="cpu",
            tracker="bytetrack",
            capabilities=self.capabilities,
        )
        self.client.set_state(topics.STATUS, self.path(topics.STATUS), encode(status))
        self.client.set_state(topics.INFO, self.path(topics.INFO), encode(info))
        for camera in cameras:
            self.camera_status(camera, "streaming")

    def camera_status(self, camera: str, status: str, reason: str | None = None) -> None:
        assert status in ("starting", "streaming", "reconnecting", "ended")
        message = CameraStatus(
            node=self.node,
            session=self.session,
            published_us=now_us(),
            camera=camera,
            status=status,  # type: ignore[arg-type]  # asserted above
            since_us=now_us(),
            reason=reason,
        )
        self.client.set_state(
            topics.CAMERA_STATUS, self.path(topics.CAMERA_STATUS, camera=camera), encode(message)
        )

    def zones(
        self,
        camera: str,
        zones: Mapping[str, ZoneDefinition],
        lines: Mapping[str, LineDefinition],
        *,
        version: int = 1,
        masks: Mapping[str, MaskDefinition] | None = None,
        filters: Mapping[str, FilterDefinition] | None = None,
    ) -> None:
        message = Zones(
            node=self.node,
            session=self.session,
            published_us=now_us(),
            camera=camera,
            version=version,
            zones=dict(zones),
            lines=dict(lines),
            masks=dict(masks or {}),
            filters=dict(filters or {}),
        )
        self.client.set_state(topics.ZONES, self.path(topics.ZONES, camera=camera), encode(message))

    def zone(
        self,
        camera: str,
        zone: str,
        *,
        occupancy: int = 0,
        entered: int = 0,
        exited: int = 0,
        line: bool = False,
        longest_s: float = 0.0,
    ) -> None:
        message = ZoneState(
            node=self.node,
            session=self.session,
            published_us=now_us(),
            camera=camera,
            seq=0,
            captured_us=now_us(),
            zone=zone,
            kind="line" if line else "zone",
            occupancy=occupancy,
            entered=entered,
            exited=exited,
            dwell=Dwell(
                ongoing_average_s=longest_s / 2, ongoing_max_s=longest_s, completed=exited, average_s=8.5
            ),
        )
        self.client.set_state(topics.ZONE, self.path(topics.ZONE, camera=camera, zone=zone), encode(message))

    def event(
        self,
        camera: str,
        kind: EventType,
        number: int,
        *,
        label: str = "person",
        boot: str | None = None,
        **more: object,
    ) -> None:
        """One event; with a boot, as an outbox sends it: then it is stored."""
        kept = {} if boot is None else {"boot": boot, "number": number, "oldest": 1}
        fields: dict[str, Any] = {
            **self.common(),
            "camera": camera,
            "seq": number,
            "captured_us": now_us(),
            "event_id": f"{self.node}/{self.session}/{number}",
            "type": kind,
            "occurred_us": now_us(),
            "track_id": number,
            "label": label,
        }
        message = Event(**(fields | kept | more))
        self.client.publish(topics.EVENTS, self.path(topics.EVENTS, camera=camera), encode(message))

    def suspects(self, camera: str, *suspects: Suspect) -> None:
        message = Suspects(
            node=self.node,
            session=self.session,
            published_us=now_us(),
            camera=camera,
            suspects=suspects,
        )
        self.client.set_state(topics.SUSPECTS, self.path(topics.SUSPECTS, camera=camera), encode(message))

    def metrics(
        self,
        camera: str,
        ignored: Mapping[str, int],
        *,
        looks: Mapping[str, int] | None = None,
        collected: CollectMetrics | None = None,
        published_us: int | None = None,
    ) -> None:
        """Metrics of one camera that has ignored so many boxes, and was looked at so often."""
        of_camera = CameraMetrics(
            fps_in=5,
            fps_out=5,
            captured=50,
            processed=50,
            dropped=0,
            thumbnails=50,
            ignored=dict(ignored),
            looks=dict(looks or {}),
            collected=collected,
        )
        message = Metrics(
            node=self.node,
            session=self.session,
            published_us=published_us or now_us(),
            uptime_s=10,
            cameras={camera: of_camera},
            stages_ms={},
            cpu_percent=5,
            memory_mb=50,
            publish_dropped={},
        )
        self.client.publish(topics.METRICS, self.path(topics.METRICS), encode(message))

    def detections(
        self,
        camera: str,
        seq: int,
        *,
        label: str = "person",
        main: bool = True,
        ignored: Sequence[IgnoredObject] = (),
        looked: Sequence[Region] = (),
        captured_us: int | None = None,
    ) -> None:
        found = detections_of(seq, self.node, self.session, camera, label=label, main=main, ignored=ignored)
        found = replace(found, looked=list(looked), captured_us=captured_us or found.captured_us)
        self.client.publish(topics.DETECTIONS, self.path(topics.DETECTIONS, camera=camera), encode(found))

    def picture(self, camera: str, seq: int, jpeg: bytes | None = None, *, commented: bool = False) -> None:
        """A thumbnail; `commented`: whose comment names its frame, too, as those of newer nodes do."""
        jpeg = picture_of(seq) if jpeg is None else jpeg
        name = PictureName(session=self.session, seq=seq, captured_us=now_us(), width=WIDTH, height=HEIGHT)
        self.client.publish(
            topics.THUMBNAIL,
            self.path(topics.THUMBNAIL, camera=camera),
            with_name(jpeg, name) if commented else jpeg,
            user_properties=properties(name),
        )

    def frame(self, camera: str, seq: int) -> None:
        """Picture and boxes, in the order that is the harder one on even frames."""
        first, second = (self.picture, self.detections) if seq % 2 else (self.detections, self.picture)
        first(camera, seq)
        second(camera, seq)


def suspect(identity: str = "a1", label: str = "traffic light") -> Suspect:
    """Something that has not moved for five hours, in the right half of the picture."""
    now = now_us()
    return Suspect(
        id=identity,
        class_id=9,
        label=label,
        box=(0.6, 0.1, 0.7, 0.4),
        polygon=((0.58, 0.3), (0.72, 0.3), (0.72, 0.5), (0.58, 0.5)),
        since_us=now - 18_000_000_000,
        last_us=now,
        seen_share=0.96,
        score=0.43,
    )


def detections_of(
    seq: int,
    node: str,
    session: str,
    camera: str,
    *,
    label: str = "person",
    main: bool = True,
    ignored: Sequence[IgnoredObject] = (),
) -> DetectionsMessage:
    """The boxes of frame `seq`: one, which `picture_of` paints."""
    track = 3 + seq // 100
    found: DetectedObject = {
        "track_id": track,
        "class_id": 0,
        "label": label,
        "score": 0.87,
        "box": box_of(seq),
        "age_s": 4.2,
        "velocity": (0.01, 0.0),
        "speed_m_s": None,
        "predicted": False,
        "zones": [],
    }
    return DetectionsMessage(
        node=node,
        session=session,
        published_us=now_us(),
        camera=camera,
        seq=seq,
        captured_us=now_us(),
        width=1920,
        height=1080,
        timings_ms={"infer": 12.0},
        dropped=0,
        objects=[found],
        ignored=list(ignored),
        main_track_id=track if main else None,
    )
