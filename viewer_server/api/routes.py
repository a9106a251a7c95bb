"""The REST API below ``/api/v1``: what is on the broker now, what was, and asking a node to look."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import flask
import orjson

from shared.wire.messages import Response, now_us
from viewer_server.api import export
from viewer_server.api.endpoint import Endpoint, Refused
from viewer_server.api.schemas import (
    DAY_US,
    MAX_RANGE_US,
    CameraList,
    CameraQuery,
    DetectAnswer,
    DetectQuery,
    EventList,
    EventPage,
    EventQuery,
    HeatmapAnswer,
    LoginInfo,
    NodeList,
    NodeMetrics,
    Nothing,
    Range,
    SeriesQuery,
    SnapshotQuery,
    ZoneList,
    ZoneRange,
    ZoneSeries,
    ZoneStays,
)
from viewer_server.api.uploads import picture_of
from viewer_server.live import updates
from viewer_server.live.hub import Hub
from viewer_server.mqtt.asking import NodeRequests
from viewer_server.stored import feed, series, snapshots
from viewer_server.stored.feed import Filter, Position
from viewer_server.stored.reading import Database
from viewer_server.stored.snapshots import TrackKey

HEATMAP_S = 5.0
DEFAULT_US = DAY_US


class Api:
    """The endpoints; one method each.

    Args:
        hub: Knows the newest of everything.
        commands: For asking nodes.
        history: Events and sums.
        pictures: Of tracks.
        version: The viewer's.
        login_required: Whether there is a login.
    """

    def __init__(
        self,
        hub: Hub,
        commands: NodeRequests,
        history: Database,
        pictures: Database,
        version: str,
        login_required: bool,
    ) -> None:
        self._hub = hub
        self._commands = commands
        self._history = history
        self._pictures = pictures
        self._version = version
        self._login_required = login_required

    def table(self) -> tuple[Endpoint, ...]:
        """Every endpoint, in the document's order."""
        return (
            Endpoint("/session", self.session, Nothing, LoginInfo, "Whether this request is let in"),
            Endpoint("/nodes", self.nodes, Nothing, NodeList, "Edge nodes, as they describe themselves"),
            Endpoint("/metrics", self.metrics, Nothing, NodeMetrics, "The newest metrics of every node"),
            Endpoint("/cameras", self.cameras, Nothing, CameraList, "Cameras and their state"),
            Endpoint("/cameras/<node>/<camera>/picture", self.camera_picture, Nothing, "image/jpeg",
                     "The newest picture of a camera"),
            Endpoint("/zones", self.zones, Nothing, ZoneList, "Zones and lines, of now and of the history"),
            Endpoint("/series", self.series, SeriesQuery, ZoneSeries, "Counts and occupancy over time"),
            Endpoint("/series.csv", self.series_csv, SeriesQuery, "text/csv", "The same as a table"),
            Endpoint("/stays", self.stays, ZoneRange, ZoneStays, "How long stays, or waits in a queue, were"),
            Endpoint("/events", self.events, EventPage, EventList, "Stored events, newest first, in pages"),
            Endpoint("/events.csv", self.events_csv, EventQuery, "text/csv",
                     f"Stored events as a table, the newest {export.MAX_EVENTS} at most"),
            Endpoint("/events.ndjson", self.events_ndjson, EventQuery, "application/x-ndjson",
                     f"Stored events, one JSON object a line, the newest {export.MAX_EVENTS} at most"),
            Endpoint("/snapshots/<node>/<camera>/<track>", self.snapshot, SnapshotQuery, "image/jpeg",
                     "The best picture of a track"),
            Endpoint("/heatmap", self.heatmap, CameraQuery, HeatmapAnswer, "Where objects spent their time"),
            Endpoint("/detect", self.detect, DetectQuery, DetectAnswer,
                     "What a node sees on a JPEG or PNG in the body, or in the field `image` of a form",
                     method="POST", image=True),
        )  # fmt: skip

    def session(self, query: Nothing) -> LoginInfo:  # noqa: ARG002 - as every endpoint
        """Refused like any other request where there is no session."""
        return LoginInfo(login_required=self._login_required, version=self._version)

    def nodes(self, query: Nothing) -> dict[str, Any]:  # noqa: ARG002
        """Status, manifest and metrics of each."""
        found: dict[str, dict[str, Any]] = {}
        for message in self._newest("status", "info", "metrics"):
            node = found.setdefault(
                message["node"], {"node": message["node"], "status": None, "info": None, "metrics": None}
            )
            node[message["type"]] = message["message"]
        return {"now_us": now_us(), "nodes": [found[name] for name in sorted(found)]}

    def metrics(self, query: Nothing) -> dict[str, Any]:  # noqa: ARG002
        """As the nodes send them."""
        return {"now_us": now_us(), "metrics": [one["message"] for one in self._newest("metrics")]}

    def cameras(self, query: Nothing) -> dict[str, Any]:  # noqa: ARG002
        """From the nodes' manifests and the cameras' own status."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for message in self._newest("info", "camera_status"):
            if message["type"] == "info":
                for about in message["message"]["cameras"]:
                    one = _camera(found, message["node"], about["camera"])
                    one |= {name: about[name] for name in ("source", "zones", "lines")}
            else:
                _camera(found, message["node"], message["camera"])["status"] = message["message"]
        return {"cameras": [found[key] for key in sorted(found)]}

    def camera_picture(self, query: Nothing, node: str, camera: str) -> flask.Response:  # noqa: ARG002
        """Of the last frame whose boxes came, too."""
        frame = self._hub.last_frame((node, camera))
        if frame is None:
            raise Refused(404, f"no picture of camera {camera} of node {node} has come yet")
        return _jpeg(updates.jpeg_of(frame.payload), "no-store")

    def zones(self, query: Nothing) -> dict[str, Any]:  # noqa: ARG002
        """Those in force, with their numbers, and those that only the history knows."""
        found: dict[tuple[str, str, str], dict[str, Any]] = {}
        for message in self._newest("zones"):
            for kind in ("zone", "line"):
                for name, definition in message["message"][f"{kind}s"].items():
                    key = message["node"], message["camera"], name
                    found[key] = _zone(*key, kind) | {
                        "current": True,
                        "queue": definition.get("queue", False),
                        "classes": definition["classes"],
                    }
        for message in self._newest("zone"):
            numbers, key = message["message"], (message["node"], message["camera"], message["zone"])
            zone = found.setdefault(key, _zone(*key, numbers["kind"]))
            zone |= {name: numbers[name] for name in ("entered", "exited")}
            zone["occupancy"] = numbers["occupancy"] if numbers["kind"] == "zone" else None
        if self._history.exists:
            with self._history.reading() as db:
                for place in series.places(db):
                    key = place.node, place.camera, place.zone
                    found.setdefault(key, _zone(*key, place.kind))
        return {"zones": [found[key] for key in sorted(found)]}

    def series(self, query: SeriesQuery) -> dict[str, Any]:
        """Entered, exited, lost and inside, step by step."""
        begin, end = _range(query)
        step_s = query.step_s
        if step_s is None:
            step_s = series.step_for(begin, end, query.points)
        if step_s % (10 if end - begin <= series.FINE_UP_TO_US else 60) or step_s < 10:
            raise Refused(400, f"step_s {step_s}: a multiple of 10, and of 60 for a range over two hours")
        if (end - begin) / 1e6 / step_s > series.MAX_POINTS + 1:
            raise Refused(400, f"step_s {step_s}: makes more than {series.MAX_POINTS} steps")
        with self._history.reading() as db:
            place = series.find(db, query.node, query.camera, query.zone)
            zero_us = query.zero_us - query.zero_us % 60_000_000
            found = series.series(db, place, begin, end, step_s, zero_us)
        return _named(query) | vars(found)

    def series_csv(self, query: SeriesQuery) -> flask.Response:
        """With times in UTC."""
        return export.series_csv(self.series(query))

    def stays(self, query: ZoneRange) -> dict[str, Any]:
        """Count, mean, quantiles and bins."""
        begin, end = _range(query)
        with self._history.reading() as db:
            place = series.find(db, query.node, query.camera, query.zone)
            return _named(query) | vars(series.stays(db, place, begin, end))

    def events(self, query: EventPage) -> dict[str, Any]:
        """One page."""
        after = Position.parse(query.cursor) if query.cursor else None
        with self._history.reading() as db:
            found, more = feed.page(db, _filter(query), query.limit, after)
        tracks = {
            event.event_id: TrackKey(event.node, event.camera, event.session, event.track_id)
            for event in found
            if event.track_id is not None
        }
        kept: set[TrackKey] = set()
        if self._pictures.exists:
            with self._pictures.reading() as db:
                kept = snapshots.stored(db, set(tracks.values()))
        return {
            "events": [
                vars(event) | {"snapshot_url": _snapshot_url(track) if track in kept else None}
                for event in found
                for track in [tracks.get(event.event_id)]
            ],
            "next": str(more) if more else None,
        }

    def events_csv(self, query: EventQuery) -> flask.Response:
        """Streamed."""
        return export.events_csv(self._history, _filter(query))

    def events_ndjson(self, query: EventQuery) -> flask.Response:
        """Streamed."""
        return export.events_ndjson(self._history, _filter(query))

    def snapshot(self, query: SnapshotQuery, node: str, camera: str, track: str) -> flask.Response:
        """As the node published it."""
        if not (track.isascii() and track.isdigit() and len(track) <= 15):
            raise Refused(404, f"track {track!r}: a number")
        with self._pictures.reading() as db:
            jpeg = snapshots.picture(db, node, camera, int(track), query.session)
        if jpeg is None:
            raise Refused(404, f"no picture of track {track} of camera {camera} is kept")
        return _jpeg(jpeg, "no-cache")

    def heatmap(self, query: CameraQuery) -> dict[str, Any]:
        """Asked of the node."""
        self._known(query.node)
        answer = self._commands.ask(query.node, "heatmap", {"camera": query.camera}, deadline_s=HEATMAP_S)
        result = _result(answer)
        return {"node": query.node, "camera": query.camera, "seconds": result.get("seconds", [])}

    def detect(self, query: DetectQuery) -> dict[str, Any]:
        """Asked of a node, which sees the picture and nothing of who sent it."""
        image = picture_of(flask.request)
        node = self._first_online() if query.node is None else self._known(query.node)
        body = {} if query.confidence is None else {"confidence": query.confidence}
        answer = self._commands.ask(node, "detect", body, image, query.deadline_s)
        return {"node": node} | _result(answer)

    def _known(self, node: str) -> str:
        if not any(one["node"] == node for one in self._newest("status")):
            raise Refused(404, f"no node {node!r} has announced itself")
        return node

    def _first_online(self) -> str:
        online = (one["node"] for one in self._newest("status") if one["message"]["status"] == "online")
        node = min(online, default="")
        if not node:
            raise Refused(503, "no edge node is online")
        return str(node)

    def _newest(self, *kinds: str) -> Iterable[dict[str, Any]]:
        for update in self._hub.known(*kinds):
            message: dict[str, Any] = orjson.loads(updates.content(update.payload))
            yield message


def _range(query: Range) -> tuple[int, int]:
    end = query.to_us if query.to_us is not None else now_us()
    begin = query.from_us if query.from_us is not None else max(0, end - DEFAULT_US)
    if not 0 < end - begin <= MAX_RANGE_US:
        raise Refused(400, "from_us and to_us: from comes first, and at most 400 days lie between them")
    return begin, end


def _filter(query: EventQuery) -> Filter:
    bounds = {} if query.to_us is None else {"to_us": query.to_us}
    return Filter(
        node=query.node,
        camera=query.camera,
        zone=query.zone,
        types=query.type,
        label=query.label,
        from_us=query.from_us or 0,
        **bounds,
    )


def _named(query: ZoneRange) -> dict[str, Any]:
    return {"node": query.node, "camera": query.camera, "zone": query.zone}


def _camera(found: dict[tuple[str, str], dict[str, Any]], node: str, camera: str) -> dict[str, Any]:
    empty = {
        "node": node,
        "camera": camera,
        "status": None,
        "source": None,
        "zones": 0,
        "lines": 0,
        "picture_url": f"/api/v1/cameras/{node}/{camera}/picture",
    }
    return found.setdefault((node, camera), empty)


def _zone(node: str, camera: str, zone: str, kind: str) -> dict[str, Any]:
    return {
        "node": node,
        "camera": camera,
        "zone": zone,
        "kind": kind,
        "current": False,
        "queue": False,
        "classes": [],
        "occupancy": None,
        "entered": None,
        "exited": None,
    }


def _snapshot_url(track: TrackKey) -> str:
    return f"/api/v1/snapshots/{track.node}/{track.camera}/{track.track}?session={track.session}"


def _result(answer: Response) -> dict[str, Any]:
    if answer.error is not None:
        raise Refused(422, answer.error)
    return dict(answer.result)


def _jpeg(data: bytes, cache: str) -> flask.Response:
    response = flask.Response(data, content_type="image/jpeg")
    response.headers["Cache-Control"] = cache
    return response
