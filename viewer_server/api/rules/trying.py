"""Tries a rule that is not saved: over a node as it is now, and over what is stored of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from shared.rules.problems import problems as rule_problems
from shared.rules.texts import bad_text
from viewer_server.api.called import called
from viewer_server.api.endpoint import Refused
from viewer_server.api.newest import live_sessions
from viewer_server.api.past import snapshot_url
from viewer_server.api.rules import replay, standing
from viewer_server.api.rules.replay import Found, Hit, Trial
from viewer_server.api.rules.said import RuleDraft, RuleTrial
from viewer_server.api.schemas.past import MAX_RANGE_US
from viewer_server.live.hub import Hub
from viewer_server.stored import snapshots
from viewer_server.stored.reading import Database
from viewer_server.stored.snapshots import TrackKey

AS_NOW = "Zones, schedules and the mode are taken as they are now."
NOTHING = "The history has no event in this range that the rule looks at."
OLDER = "Nodes of older versions tell neither of presence nor of what is wrong with cameras."
UNSEEN = (
    "The history does not tell when a camera gave no pictures: an empty zone may have been one that nobody "
    "watched. Pauses are known since the viewer stores them."
)
PICTURES = (
    "Pictures are those that are stored of the objects; an alert has one of its own, of the moment itself."
)
YOUNG = ("presence_started", "presence_ended")
"""Events that there were not in the first version."""


def tried(
    hub: Hub,
    history: Database,
    pictures: Database,
    node: str,
    wanted: RuleTrial,
    has_gone: Callable[[], bool],
) -> dict[str, Any]:
    """What a rule would have done, as `said.RuleReplay`.

    Raises:
        Refused: The range is too long, or history cannot tell of such a rule.
        Unavailable: The history cannot be read, or nobody waits for the answer.
    """
    if not 0 < wanted.to_us - wanted.from_us <= MAX_RANGE_US:
        raise Refused(400, "from_us and to_us: from_us must be the earlier one, by at most 400 days")
    if wanted.rule.when.trigger == "offline":
        raise Refused(422, "the history does not tell when a node was offline")
    trial = Trial(
        id=wanted.id,
        rule=wanted.rule,
        scenes=standing.scenes(hub, node, wanted.rule),
        times=standing.times(hub, node),
        from_us=wanted.from_us,
        to_us=wanted.to_us,
        live={camera: session for (_, camera), session in live_sessions(hub, [node]).items()},
    )
    found = replay.run(history, trial, has_gone)
    return {
        "hits": _hits(hub, pictures, node, found.hits),
        "total": found.total,
        "held_back": max(0, found.unheld - found.total),
        "events": found.events,
        "ends_us": found.until_us,
        "begins_us": found.since_us,
        "notes": list(_notes(trial, found)),
    }


def problems(hub: Hub, node: str, draft: RuleDraft) -> list[str]:
    """Why a rule can never, or not fully, do what it says; each sentence goes on after "it".

    Raises:
        Refused: Its text cannot be filled in.
    """
    if draft.rule.text is not None and (wrong := bad_text(draft.rule.text)) is not None:
        raise Refused(422, f"What the alert says: {wrong}")
    calendar = standing.calendar(hub, node)
    found = rule_problems(
        {draft.id: draft.rule},
        standing.places(hub, node),
        standing.classes(hub, node),
        *(() if calendar is None else (calendar.schedules, *standing.activity(calendar))),
    )
    return list(found.get(draft.id, ()))


def _hits(hub: Hub, pictures: Database, node: str, hits: list[Hit]) -> list[dict[str, Any]]:
    names = called(hub, [node])
    tracks = [_track(hit) for hit in hits]
    kept: set[TrackKey] = set()
    if pictures.exists:
        with pictures.reading() as db:
            kept = snapshots.stored(db, {track for track in tracks if track is not None})
    return [
        {
            "occurred_us": hit.firing.occurred_us,
            "camera": hit.camera,
            "camera_name": names.cameras.get((node, hit.camera)),
            "zone": hit.firing.zone,
            "zone_name": names.zones.get((node, hit.camera, hit.firing.zone or "")),
            "track_id": hit.firing.track_id,
            "label": hit.firing.label,
            "text": hit.firing.alert.text,
            "value": hit.firing.alert.value,
            "picture_url": snapshot_url(track) if track is not None and track in kept else None,
        }
        for hit, track in zip(hits, tracks, strict=True)
    ]


def _track(hit: Hit) -> TrackKey | None:
    """What the stored picture of an alert is kept under: the last level of its topic names it."""
    event = hit.shows
    if event is None:
        return None
    name = str(event.track_id) if event.snapshot is None else event.snapshot.rpartition("/")[2]
    if not (name.isascii() and name.isdigit() and len(name) <= 15):
        return None
    return TrackKey(event.node, event.camera, event.session, int(name))


def _notes(trial: Trial, found: Found) -> Iterator[str]:
    when = trial.rule.when
    yield AS_NOW
    if not trial.scenes:
        yield "The node has none of the rule's cameras."
    if not found.events:
        yield NOTHING
        if when.trigger == "problem" or any(event in YOUNG for event in when.events):
            yield OLDER
    if when.trigger == "occupancy" and when.at_most is not None:
        yield UNSEEN
    if found.hits and trial.rule.picture != "none":
        yield PICTURES
