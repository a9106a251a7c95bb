"""Frames as the pipeline gives them to whoever collects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edge_node.analytics.analyse import Analytics
from edge_node.analytics.watch import Analysed
from edge_node.config.camera_settings import AnalyticsSettings
from edge_node.frames import Detected, Detections, Frame, Tracks
from edge_node.ignore.rules import Ignored
from edge_node.pictures import U8
from shared.collected import Collected, Proposal, Reason, Seeing
from tests.edge_node.scenes import CLASSES, HEIGHT, WIDTH, Actor, film

REPORT = Analytics({}, {}, CLASSES, AnalyticsSettings()).update(Tracks.empty(), 0.0, WIDTH, HEIGHT)
START_US = 1_700_000_000_000_000


def landscape(light: float = 0.5, seed: int = 0) -> U8:
    """A picture with structure, of which there is another for every seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(-60, 60, (9, 16)) + light * 255
    return np.asarray(
        np.kron(np.clip(coarse, 0, 255), np.ones((HEIGHT // 9, WIDTH // 16)))[..., None].repeat(3, 2),
        np.uint8,
    )


PICTURE = landscape()


def found(tracks: Tracks) -> Detections:
    """What the network must have found for these tracks."""
    seen = ~tracks.predicted
    return Detections(tracks.xyxy[seen], tracks.score[seen], tracks.class_id[seen])


def shown(
    tracks: Tracks,
    t: float,
    picture: U8 | None = None,
    *,
    looked: bool = True,
    restarted: bool = False,
    ignored: Ignored | None = None,
    camera: str = "street",
) -> tuple[Detected, Analysed]:
    """A frame before and after tracking."""
    image = PICTURE if picture is None else picture
    captured_ns = START_US * 1000 + round(t * 1e9)
    frame = Frame(camera, round(t * 100), captured_ns, round(t * 1e9), image, restarted)
    detected = Detected(frame, found(tracks) if looked else None, {})
    return detected, Analysed(frame, tracks, REPORT, t, {}, ignored=ignored)


def show(actors: Sequence[Actor], times: Sequence[float]) -> Iterator[tuple[Detected, Analysed]]:
    """A film."""
    for tracks, t in film(actors, times):
        yield shown(tracks, t)


def said(
    captured_us: int, light: float = 0.5, reason: Reason = "flicker", seq: int = 0, camera: str = "street"
) -> Collected:
    """What a sidecar says."""
    return Collected(
        version=1,
        node="shop",
        camera=camera,
        session="s",
        seq=seq,
        captured_us=captured_us,
        reasons=(reason,),
        size=(WIDTH, HEIGHT),
        light=light,
        model=Seeing(name="m"),
        boxes=(Proposal(label="person", score=0.5, xyxy=(0.1, 0.1, 0.2, 0.2)),),
    )
