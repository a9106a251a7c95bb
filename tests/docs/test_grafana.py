"""The dashboards and alerts of examples/grafana ask for metrics and labels that node and viewer have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

import pytest
import yaml

from shared.wire.messages import CameraState
from tests.conftest import REPO
from tests.docs.document_metrics import edge_text, labels_of, viewer_text

GRAFANA = REPO / "examples/grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
OF_THE_SCRAPE = {"instance", "job"}
SERIES = {
    "up": OF_THE_SCRAPE,
    **{name: labels | OF_THE_SCRAPE for name, labels in labels_of(edge_text() + viewer_text()).items()},
}
_SERIES = re.compile(r"\b(darner_\w+|up)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
_LABELS = re.compile(r"\b(?:by|on|group_left)\s*\(([^)]*)\)")
_SHOWN = re.compile(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}")


class Query(NamedTuple):
    """A query, and the labels that are shown of its result."""

    where: str
    expr: str
    shown: set[str]


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Query]:
    for path in DASHBOARDS:
        board = json.loads(path.read_text())
        for panel in panels(board):
            for target in panel["targets"]:
                shown = set(_SHOWN.findall(target["legendFormat"]))
                yield Query(f"{path.name}: {panel['title']}", target["expr"], shown)
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                asked, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]  # no match fails the test
                yield Query(f"{path.name}: ${variable['name']}", asked, {label})
    for rule in rules():
        shown = set().union(*(_SHOWN.findall(text) for text in rule["annotations"].values()))
        yield Query(f"alerts.yml: {rule['alert']}", rule["expr"], shown)


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((GRAFANA / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def faults(query: Query) -> list[str]:
    """What of a query does not exist."""
    found = list(_SERIES.finditer(query.expr))
    unknown = [match[1] for match in found if match[1] not in SERIES]
    if unknown:
        return [f"there is no {name}" for name in unknown]
    wrong = [] if found else ["it asks for nothing"]
    for match in found:
        for label, value in _MATCHER.findall(match[2] or ""):
            if label not in SERIES[match[1]]:
                wrong.append(f"{match[1]} has no label {label}")
            if label == "status" and not set(value.split("|")) <= set(get_args(CameraState)):
                wrong.append(f"no camera is {value}")
    there = set().union(*(SERIES[match[1]] for match in found))
    grouped = {label.strip() for group in _LABELS.findall(query.expr) for label in group.split(",")}
    wrong += [f"nothing has the label {label}" for label in (grouped | query.shown) - there]
    aggregates = re.findall(r"\b(?:sum|max|min|avg|count)\s+by\s*\(([^)]*)\)", query.expr)
    if aggregates and "group_left" not in query.expr and " or " not in query.expr:
        kept = {label.strip() for group in aggregates for label in group.split(",")}
        wrong += [f"the result has no label {label}" for label in query.shown - kept]
    return wrong


@pytest.mark.parametrize("query", list(queries()), ids=lambda query: query.where)
def test_a_query_asks_for_series_and_labels_that_exist(query: Query) -> None:
    assert faults(query) == []


@pytest.mark.parametrize(
    ("expr", "shown", "fault"),
    [
        ("darner_edge_nothing", set(), "there is no darner_edge_nothing"),
        ('darner_edge_outbox_events{camera="x"}', set(), "darner_edge_outbox_events has no label camera"),
        ("sum by (zone) (darner_edge_outbox_events)", set(), "nothing has the label zone"),
        ("darner_edge_outbox_events", {"camera"}, "nothing has the label camera"),
        ("sum by (node) (darner_objects)", {"camera"}, "the result has no label camera"),
        ('darner_edge_camera_status{status="lost"}', set(), "no camera is lost"),
    ],
)
def test_a_query_for_what_is_not_there_is_found(expr: str, shown: set[str], fault: str) -> None:
    assert faults(Query("", expr, shown)) == [fault]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_can_be_imported_anywhere(path: Any) -> None:
    board = json.loads(path.read_text())
    assert board["uid"] == path.stem
    assert "id" not in board
    used = {json.dumps(found) for found in re.findall(r'"uid": "([^"]*)"', path.read_text())}
    assert used == {json.dumps(board["uid"]), json.dumps("${datasource}")}, "no data source of one Grafana"
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + right, place["y"] + down)
            for right in range(place["w"])
            for down in range(place["h"])
        }
        assert not taken & cells, f"{panel['title']} lies on another panel"
        assert max(x for x, _ in cells) < 24
        taken |= cells
    for panel in panels(board):
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_an_alert_says_how_bad_it_is_and_what_it_means() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"].endswith(".")


def test_the_ports_that_prometheus_reads_are_those_that_the_documentation_names() -> None:
    scrapes = yaml.safe_load((GRAFANA / "prometheus.yml").read_text())["scrape_configs"]
    assert [scrape["job_name"] for scrape in scrapes] == ["darner-edge", "darner-viewer"]
    assert "port: 9108" in (REPO / "docs/how-to/grafana.md").read_text()
    assert scrapes[0]["static_configs"][0]["targets"] == ["127.0.0.1:9108"]


def test_the_compose_file_adds_to_the_services_that_there_are_and_mounts_what_exists() -> None:
    ours = yaml.safe_load((REPO / "docker-compose.yml").read_text())
    added = yaml.safe_load((GRAFANA / "compose.yml").read_text())
    assert added["services"].keys() - ours["services"].keys() == {"prometheus", "grafana"}
    port = added["services"]["edge"]["environment"]["DARNER_PROMETHEUS__PORT"]
    scrapes = yaml.safe_load((GRAFANA / "compose-prometheus.yml").read_text())["scrape_configs"]
    assert scrapes[0]["static_configs"][0]["targets"] == [f"edge:{port}"]
    for service in ("prometheus", "grafana"):
        for mount in added["services"][service]["volumes"]:
            source = mount.split(":")[0]
            assert (REPO / source).exists() if source.startswith("./") else source in added["volumes"]
