"""An edge node's pipeline over frames, one after the other: network, merging, tracker and analytics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edge_node.analytics.watch import Analysed, Watch
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.definitions import Definitions
from edge_node.config.live import LiveStore
from edge_node.config.model_settings import ModelSettings
from edge_node.config.settings import EdgeConfig, TrackerSettings
from edge_node.detect.detector import Detector
from edge_node.detect.stages import Detect
from edge_node.frames import Detected, Frame


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
        frames: All of one camera.
        detector: The network, loaded and warm.
        camera: The camera's settings, tiles included.
        model: The network's settings.
        tracking: The tracker's settings.

    Yields:
        What was found in each frame, and what is known after it.
    """
    name = "video"
    detect = Detect(detector, {name: camera}, LiveStore(EdgeConfig(cameras={name: camera}, model=model)))
    nothing = Definitions(version=1, zones={}, lines={})
    one = Watch(camera.analytics, nothing, tracking, detector.class_names)
    for detected in detect.decode(detect.infer([detect.ready(frame)] for frame in frames)):
        analysed = one.update(detected)
        detect.follow(analysed.frame, analysed.tracks)
        yield detected, analysed
