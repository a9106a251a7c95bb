from __future__ import annotations

import pytest

from shared.errors import ConfigError
from shared.wire import topics

IDS = {
    "archive": "viewer-1",
    "viewer": "viewer-1",
    "node": "n1",
    "camera": "gate-2",
    "zone": "a_b",
    "track": "17",
    "command": "zones.set",
}


@pytest.mark.parametrize("row", topics.TABLE, ids=lambda row: row.name)
def test_a_path_is_matched_back_to_its_row_and_identifiers(row: topics.Topic) -> None:
    wanted = {key: value for key, value in IDS.items() if f"{{{key}}}" in row.pattern}
    path = row.path("darner/v1", **wanted)
    assert topics.match("darner/v1", path) == (row, wanted)


@pytest.mark.parametrize("row", topics.TABLE, ids=lambda row: row.name)
def test_a_filter_has_a_wildcard_for_every_identifier(row: topics.Topic) -> None:
    assert row.filter("p").count("+") == row.pattern.count("{")
    assert "{" not in row.filter("p")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("darner/v1/n1", id="too short"),
        pytest.param("darner/v2/n1/status", id="another prefix"),
        pytest.param("darner/v1/n1/status/x", id="too long"),
        pytest.param("darner/v1/n 1/status", id="space in an identifier"),
        pytest.param("darner/v1//status", id="empty level"),
        pytest.param("darner/v1/n1/status\n", id="newline at the end"),
        pytest.param("darner/v1/n.1/status", id="a dot is for commands"),
        pytest.param("darner/v1/n1/request/Ping!", id="no command"),
        pytest.param("", id="empty"),
    ],
)
def test_other_topics_are_not_ours(path: str) -> None:
    assert topics.match("darner/v1", path) is None


@pytest.mark.parametrize("bad", ["", "a/b", "a+", "#", "a b", "ä", "x" * 65, "a\n", "../x"])
def test_an_identifier_that_could_change_a_topic_is_refused(bad: str) -> None:
    with pytest.raises(ConfigError, match="letters, digits"):
        topics.STATUS.path("darner/v1", node=bad)


def test_only_state_is_retained_and_only_the_lossy_expires() -> None:
    for row in topics.TABLE:
        # What a viewer that was killed has said must not stay: it would stop a node's thumbnails.
        assert not (row.retain and row.expiry_s) or row is topics.INTEREST, row.name
        assert row.qos == 1 or row.expiry_s, row.name
