"""The table of the REST API below ``/api/v1``; routes, checks and the OpenAPI document are made from it."""

from __future__ import annotations

from dataclasses import dataclass

from shared.asking.requests import NodeRequests
from viewer_server.api import export
from viewer_server.api.alerts.alerts import Alerts
from viewer_server.api.asked import Asked
from viewer_server.api.calendar.admin import Calendars
from viewer_server.api.cameras import CameraAdmin
from viewer_server.api.endpoint import Endpoint
from viewer_server.api.labelling import Labelling
from viewer_server.api.newest import Newest
from viewer_server.api.past import Past
from viewer_server.api.rules.admin import RuleAdmin
from viewer_server.api.schemas.asked import (
    DetectAnswer,
    DetectQuery,
    HeatmapAnswer,
    SuspectAnswer,
    SuspectDismissed,
    ZoneChange,
    ZonesSaved,
    ZoneVersions,
)
from viewer_server.api.schemas.common import (
    CameraQuery,
    CamerasQuery,
    FindQuery,
    LoginInfo,
    Nothing,
    ZonesQuery,
)
from viewer_server.api.schemas.now import CameraList, NodeList, NodeMetrics, SuspectList, ZoneList
from viewer_server.api.schemas.past import (
    EventList,
    EventPage,
    EventQuery,
    PathList,
    SeriesQuery,
    SnapshotQuery,
    ZoneRange,
    ZoneSeries,
    ZoneStays,
)
from viewer_server.labelling.desk import Desk
from viewer_server.live.hub import Hub
from viewer_server.mqtt.media import Media
from viewer_server.notify.alerting import Alerting
from viewer_server.stored.reading import Database
from viewer_server.stored.versions import Versions


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Where the endpoints read, and through which they ask nodes.

    Attributes:
        hub: The newest of everything on the broker.
        requests: Asks nodes.
        media: Receives the pictures of cameras that somebody asks for.
        versions: Earlier definitions of zones, lines, masks and filters.
        history: Events and sums.
        pictures: The best picture of each track.
        alerting: Keeps alerts, and sends them to targets.
        login: What the viewer says about itself.
    """

    hub: Hub
    requests: NodeRequests
    media: Media
    versions: Versions
    history: Database
    pictures: Database
    alerting: Alerting
    login: LoginInfo


def table(parts: Parts) -> tuple[Endpoint, ...]:
    """Every endpoint, in the document's order."""
    newest = Newest(parts.hub, parts.history, parts.media)
    past = Past(parts.hub, parts.history, parts.pictures)
    asked = Asked(parts.hub, parts.requests, parts.versions)

    return (
        _session(parts.login),
        Endpoint("/nodes", newest.nodes, FindQuery, NodeList, "Edge nodes, as they describe themselves"),
        Endpoint("/metrics", newest.metrics, Nothing, NodeMetrics, "The newest metrics of every node"),
        Endpoint("/cameras", newest.cameras, CamerasQuery, CameraList, "Cameras and their state"),
        Endpoint("/cameras/<node>/<camera>/picture", newest.camera_picture, Nothing, "image/jpeg",
                 "The newest picture of a camera"),
        *CameraAdmin(parts.hub, parts.requests).endpoints(),
        *Calendars(parts.hub, parts.requests).endpoints(),
        *RuleAdmin(
            parts.hub, parts.requests, parts.history, parts.pictures, parts.alerting.targets
        ).endpoints(),
        *Alerts(parts.hub, parts.alerting).endpoints(),
        Endpoint("/zones", newest.zones, ZonesQuery, ZoneList,
                 "Zones and lines, defined now or with a history"),
        Endpoint("/zones/<node>/<camera>", asked.save_zones, Nothing, ZonesSaved,
                 "Replace a camera's zones, lines, masks and filters, unless another version was saved",
                 method="POST", body=ZoneChange, asks_node=True),
        Endpoint("/zones/<node>/<camera>/versions", asked.zone_versions, Nothing, ZoneVersions,
                 "Zones, lines, masks and filters of a camera as they were saved, newest first"),
        Endpoint("/suspects", newest.suspects, Nothing, SuspectList,
                 "Things that never move: where a mask may be wanted"),
        Endpoint("/suspects/<node>/<camera>/dismiss", asked.dismiss_suspect, Nothing, SuspectDismissed,
                 "Say that a suspect is real, so that the node does not ask again",
                 method="POST", body=SuspectAnswer, asks_node=True),
        Endpoint("/series", past.series, SeriesQuery, ZoneSeries, "Counts and occupancy over time"),
        Endpoint("/series.csv", past.series_csv, SeriesQuery, "text/csv", "Counts and occupancy as a table"),
        Endpoint("/stays", past.stays, ZoneRange, ZoneStays, "How long stays, or waits in a queue, were"),
        Endpoint("/events", past.events, EventPage, EventList, "Stored events, newest first, in pages"),
        Endpoint("/events.csv", past.events_csv, EventQuery, "text/csv",
                 f"The newest {export.MAX_EVENTS} stored events as a table"),
        Endpoint("/events.ndjson", past.events_ndjson, EventQuery, "application/x-ndjson",
                 f"The newest {export.MAX_EVENTS} stored events, one JSON object a line"),
        Endpoint("/snapshots/<node>/<camera>/<track>", past.snapshot, SnapshotQuery, "image/jpeg",
                 "The best picture of a track"),
        Endpoint("/paths", newest.paths, CameraQuery, PathList,
                 "Where the objects of the last finished tracks went, newest first"),
        Endpoint("/heatmap", asked.heatmap, CameraQuery, HeatmapAnswer, "Where objects spent their time",
                 asks_node=True),
        Endpoint("/detect", asked.detect, DetectQuery, DetectAnswer,
                 "What a node sees on a JPEG or PNG in the body, or in the field `image` or `file` of a form",
                 method="POST", image=True, asks_node=True),
    )  # fmt: skip


def label_table(desk: Desk, login: LoginInfo | None = None) -> tuple[Endpoint, ...]:
    """The endpoints for labelling; with `login`, those of a viewer that does nothing else."""
    return (*([_session(login)] if login else []), *Labelling(desk).endpoints())


def _session(login: LoginInfo) -> Endpoint:
    def session(query: Nothing) -> LoginInfo:  # noqa: ARG001 - as every endpoint
        return login

    return Endpoint("/session", session, Nothing, LoginInfo, "Whether this request is let in")
