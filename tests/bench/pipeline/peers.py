"""What people write when they have no Darner: a video through a detector and a tracker onto MQTT.

Run by the Python of an environment that has the packages, with the detector of `injected.py` in place of
the network; see `cost.py`. Both loops are those of the packages' own tutorials, with JSON by the
standard library.
"""

from __future__ import annotations

import itertools
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from injected import HEIGHT, WIDTH, Injected  # type: ignore[import-not-found]  # beside this file
from paced import paced  # type: ignore[import-not-found]  # beside this file

Image = Any
Rows = list[dict[str, Any]]
WARM = 50


def ultralytics(network: Injected) -> Callable[[Image], Rows]:
    """`YOLO.track`, frame by frame."""
    import torch
    from ultralytics import YOLO

    model = YOLO("yolov8n.yaml")
    output = network.run()
    model.track(np.zeros((720, 1280, 3), np.uint8), persist=True, tracker="bytetrack.yaml", verbose=False)

    def forward(image: Any, *_: Any, **__: Any) -> Any:
        assert tuple(image.shape[2:]) == (HEIGHT, WIDTH)
        return torch.from_numpy(network.run())

    model.predictor.model.forward = forward
    assert output.shape[1] == 84

    def track(image: Image) -> Rows:
        boxes = model.track(image, persist=True, tracker="bytetrack.yaml", verbose=False)[0].boxes
        if boxes.id is None:
            return []
        rows = zip(
            boxes.id.int().tolist(),
            boxes.cls.int().tolist(),
            boxes.conf.tolist(),
            boxes.xyxyn.tolist(),
            strict=True,
        )
        return [
            {"track_id": track_id, "class_id": class_id, "score": score, "box": box}
            for track_id, class_id, score, box in rows
        ]

    return track


def supervision(network: Injected) -> Callable[[Image], Rows]:
    """The usual preprocessing and decoding around ONNX Runtime, then supervision's NMS and ByteTrack."""
    import supervision as sv

    tracker = sv.ByteTrack(frame_rate=25)

    def track(image: Image) -> Rows:
        scale = min(WIDTH / image.shape[1], HEIGHT / image.shape[0])
        width, height = round(image.shape[1] * scale), round(image.shape[0] * scale)
        left, top = (WIDTH - width) // 2, (HEIGHT - height) // 2
        canvas = np.full((HEIGHT, WIDTH, 3), 114, np.uint8)
        canvas[top : top + height, left : left + width] = cv2.resize(image, (width, height))
        tensor = np.ascontiguousarray(
            cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB).transpose(2, 0, 1)[None].astype(np.float32) / 255
        )
        assert tensor.shape == (1, 3, HEIGHT, WIDTH)
        rows = network.run()[0].T
        scores = rows[:, 4:]
        class_ids = scores.argmax(axis=1)
        confidences = scores.max(axis=1)
        keep = confidences > 0.25
        centre, size = rows[keep, :2], rows[keep, 2:4]
        xyxy = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
        xyxy = (xyxy - [left, top, left, top]) / scale
        found = sv.Detections(xyxy=xyxy, confidence=confidences[keep], class_id=class_ids[keep])
        tracked = tracker.update_with_detections(found.with_nms(0.5))
        return [
            {
                "track_id": int(tracked.tracker_id[i]),
                "class_id": int(tracked.class_id[i]),
                "score": float(tracked.confidence[i]),
                "box": [float(v) for v in tracked.xyxy[i]],
            }
            for i in range(len(tracked))
        ]

    return track


def recorded(video: str) -> Iterator[tuple[Image, int]]:
    """The pictures of a video as fast as they are asked for, again and again, and when each was read."""
    capture = cv2.VideoCapture(video)
    while True:
        good, image = capture.read()
        if good:
            yield image, time.time_ns() // 1000
        else:
            capture.set(cv2.CAP_PROP_POS_FRAMES, 0)


def main() -> None:
    """Process the video, or a camera at 25 fps, and print what it took."""
    peer, video, port, milliseconds, frames, pace = sys.argv[1:]
    from paho.mqtt import client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    cv2.setNumThreads(1)
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", int(port))
    client.loop_start()
    track = {"ultralytics": ultralytics, "supervision": supervision}[peer](Injected(float(milliseconds)))
    source = paced(video) if pace == "live" else recorded(video)
    objects, jpegs, next_jpeg = 0, 0, 0.0
    started, cpu = 0.0, 0.0
    for done, (image, captured_us) in enumerate(itertools.islice(source, int(frames) + WARM)):
        if done == WARM:
            started, cpu, objects, jpegs = time.perf_counter(), _cpu(), 0, 0
        rows = track(image)
        message = {"frame": done, "captured_us": captured_us, "objects": rows}
        client.publish("peer/detections", json.dumps(message))
        if time.perf_counter() >= next_jpeg:
            next_jpeg = time.perf_counter() + 0.2
            client.publish("peer/jpeg", cv2.imencode(".jpg", cv2.resize(image, (320, 180)))[1].tobytes())
            jpegs += 1
        objects += len(rows)
    seconds = time.perf_counter() - started
    client.loop_stop()
    result = {
        "fps": int(frames) / seconds,
        "cpu_ms": (_cpu() - cpu) * 1e3 / int(frames),
        "objects": objects / int(frames),
        "jpegs_per_s": jpegs / seconds,
    }
    print("RESULT " + json.dumps(result))


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
