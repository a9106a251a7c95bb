"""Endpoints about the past: counts over time, stays, events and pictures of tracks, from the databases."""

from __future__ import annotations

from typing import Any

import flask

from shared.wire.messages import now_us
from viewer_server.api import export
from viewer_server.api.called import called
from viewer_server.api.endpoint import Refused, jpeg
from viewer_server.api.schemas.past import (
    DAY_US,
    MAX_RANGE_US,
    EventPage,
    EventQuery,
    Range,
    SeriesQuery,
    SnapshotQuery,
    ZoneRange,
)
from viewer_server.live.hub import Hub
from viewer_server.stored import feed, series, snapshots
from viewer_server.stored.feed import Filter, Position
from viewer_server.stored.reading import Database
from viewer_server.stored.snapshots import TrackKey

DEFAULT_US = DAY_US


class Past:
    """The endpoints, one method each.

    Args:
        hub: Knows what people call nodes, cameras and zones.
        history: Events and sums.
        pictures: The best picture of each track.
    """

    def __init__(self, hub: Hub, history: Database, pictures: Database) -> None:
        self._hub = hub
        self._history = history
        self._pictures = pictures

    def series(self, query: SeriesQuery) -> dict[str, Any]:
        """Entered, exited, lost and inside, step by step."""
        begin, end = _range(query)
        step_s = _step(query, begin, end)
        with self._history.reading() as db:
            place = series.find(db, query.node, query.camera, query.zone)
            zero_us = query.zero_us - query.zero_us % 60_000_000
            found = series.series(db, place, begin, end, step_s, zero_us)
        return _named(query) | vars(found)

    def series_csv(self, query: SeriesQuery) -> flask.Response:
        """The series as a table, with times in UTC."""
        return export.series_csv(self.series(query))

    def stays(self, query: ZoneRange) -> dict[str, Any]:
        """Count, mean, quantiles and bins of stays."""
        begin, end = _range(query)
        with self._history.reading() as db:
            place = series.find(db, query.node, query.camera, query.zone)
            return _named(query) | vars(series.stays(db, place, begin, end))

    def events(self, query: EventPage) -> dict[str, Any]:
        """One page of events."""
        after = Position.parse(query.cursor) if query.cursor else None
        with self._history.reading() as db:
            found, more = feed.page(db, _filter(query), query.limit, after)
        tracks = {
            event.event_id: TrackKey(event.node, event.camera, event.session, event.track_id)
            for event in found
            if event.track_id is not None
        }
        kept: set[TrackKey] = set()
        names = called(self._hub, {event.node for event in found})
        if self._pictures.exists:
            with self._pictures.reading() as db:
                kept = snapshots.stored(db, set(tracks.values()))
        return {
            "events": [
                vars(event)
                | names.of(event.node, event.camera, event.zone)
                | {"snapshot_url": snapshot_url(track) if track in kept else None}
                for event in found
                for track in [tracks.get(event.event_id)]
            ],
            "next": str(more) if more else None,
        }

    def events_csv(self, query: EventQuery) -> flask.Response:
        """Streamed."""
        return export.events_csv(self._history, _filter(query), called(self._hub))

    def events_ndjson(self, query: EventQuery) -> flask.Response:
        """Streamed."""
        return export.events_ndjson(self._history, _filter(query))

    def snapshot(self, query: SnapshotQuery, node: str, camera: str, track: str) -> flask.Response:
        """The best picture of a track, as the node published it."""
        if not (track.isascii() and track.isdigit() and len(track) <= 15):
            raise Refused(404, f"track {track!r}: a number is expected")
        with self._pictures.reading() as db:
            picture = snapshots.picture(db, node, camera, int(track), query.session)
        if picture is None:
            raise Refused(404, f"no picture of track {track} of camera {camera} is kept")
        return jpeg(picture)


def _range(query: Range) -> tuple[int, int]:
    end = query.to_us if query.to_us is not None else now_us()
    begin = query.from_us if query.from_us is not None else max(0, end - DEFAULT_US)
    if not 0 < end - begin <= MAX_RANGE_US:
        raise Refused(400, "from_us and to_us: from_us must be the earlier one, by at most 400 days")
    return begin, end


def _step(query: SeriesQuery, begin: int, end: int) -> int:
    """Seconds in a step; a range costs as many cells as it has minutes, and one step more at each end."""
    step_s = query.step_s
    if step_s is None:
        return series.step_for(begin, end, query.points)
    shortest = 10 if max(end - begin, step_s * 1_000_000) <= series.FINE_UP_TO_US else 60
    if step_s % shortest:
        raise Refused(
            400, f"step_s {step_s}: use a multiple of 10, or of 60 for a range or a step over two hours"
        )
    if step_s * 1_000_000 > max(end - begin, DAY_US):
        raise Refused(400, f"step_s {step_s}: is longer than a day and than the range; use a shorter one")
    if (end - begin) / 1e6 / step_s > series.MAX_POINTS + 1:
        raise Refused(400, f"step_s {step_s}: makes more than {series.MAX_POINTS} steps; use longer ones")
    return step_s


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


def snapshot_url(track: TrackKey) -> str:
    """Where the API has the picture of a track."""
    below = f"{flask.request.root_path}/api/v1/snapshots"
    return f"{below}/{track.node}/{track.camera}/{track.track}?session={track.session}"
