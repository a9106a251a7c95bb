"""An edge node's pipeline over frames, one after the other: network, merging, tracker and analytics."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

from edge_node.analytics.watch import Analysed, Watch
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import LiveStore
from edge_node.config.model_settings import ModelSettings
from edge_node.config.saved.definitions import Definitions
from edge_node.config.settings import EdgeConfig, TrackerSettings
from edge_node.detect.detector import Detector
from edge_node.detect.stages import Detect
from edge_node.frames import Detected, Detections, Frame
from edge_node.pictures import U8

_NAME = "video"
"""Of the camera; frames bear it."""


def watch(
    frames: Iterable[Frame],
    detector: Detector,
    camera: CameraSettings,
    model: ModelSettings,
    tracking: TrackerSettings,
) -> Iterator[tuple[Detected, Analysed]]:
    """Take frames of one camera through the pipeline, without its threads.

    Where to look in a frame is chosen by what was known after the frame before.

    Args:
        frames: All of a camera that is named "video".
        detector: The network, loaded and warm.
        camera: The camera's settings, tiles included.
        model: The network's settings.
        tracking: The tracker's settings.

    Yields:
        What was found in each frame, and what is known after it.
    """
    detect = _detect(detector, camera, model)
    nothing = Definitions(version=1, zones={}, lines={})
    one = Watch(camera.analytics, nothing, tracking, detector.class_names)
    for detected in detect.decode(detect.infer([detect.ready(frame)] for frame in frames)):
        analysed = one.update(detected)
        detect.follow(detected, analysed.tracks, analysed.dropped)
        yield detected, analysed


def detect_pictures(
    pictures: Iterable[U8], detector: Detector, camera: CameraSettings, model: ModelSettings
) -> Iterator[Detections]:
    """Detections in pictures that have nothing to do with each other, as a camera's tiles show them.

    Args:
        pictures: u8 ``(H, W, 3)``, BGR, of any sizes.
        detector: The network, loaded and warm.
        camera: The camera's settings; tiles are a grid, because single pictures show nothing to follow.
        model: The network's settings.
    """
    detect = _detect(detector, camera, model)
    frames = (Frame(_NAME, seq, 0, 0, image, restarted=True) for seq, image in enumerate(pictures))
    for detected in detect.decode(detect.infer([detect.ready(frame)] for frame in frames)):
        yield detected.detections or Detections.empty()


def timed(
    detector: Detector, camera: CameraSettings, model: ModelSettings, batch: int
) -> Callable[[U8], dict[str, float]]:
    """Give a function that detects in one picture, as a camera's tiles show it, and says how long that took.

    Args:
        detector: The network, loaded and warm.
        camera: The camera's settings; tiles are a grid, because a picture shows nothing to follow.
        model: The network's settings.
        batch: Most parts of the picture in one call of the network.

    Returns:
        Takes a picture, u8 ``(H, W, 3)``, BGR; gives the milliseconds of each step, of all its parts.
    """
    detect = _detect(detector, camera, model, batch)
    numbers = itertools.count()

    def call(image: U8) -> dict[str, float]:
        frame = Frame(_NAME, next(numbers), 0, 0, image, restarted=True)
        [detected] = detect.decode(detect.infer([[detect.ready(frame)]]))
        return detected.timings_ms

    return call


def _detect(detector: Detector, camera: CameraSettings, model: ModelSettings, batch: int = 0) -> Detect:
    live = LiveStore(EdgeConfig(cameras={_NAME: camera}, model=model))
    return Detect(detector, {_NAME: camera}, live, limit=batch)
