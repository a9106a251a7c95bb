"""The access control list is made of the topic table."""

from __future__ import annotations

import re

import pytest

from broker import roles
from shared.fleet.connect import MAILBOX
from shared.fleet.deliver import COMMANDS
from shared.fleet.inventory import STATE
from shared.wire import topics
from tests.conftest import REPO


def granted(text: str, *words: str) -> set[str]:
    """The topic filters of the lines that begin with these words."""
    begin = " ".join(words) + " "
    return {line[len(begin) :] for line in text.splitlines() if line.startswith(begin)}


def test_the_list_in_the_repository_is_that_of_the_table() -> None:
    assert (REPO / "broker" / "acl").read_text() == roles.rules(), "run: make docs"


def test_a_node_may_write_every_row_that_it_sends_and_nothing_as_wide_as_its_name() -> None:
    writes = granted(roles.rules(), "pattern write")
    for row in topics.TABLE:
        mine = re.sub("{[a-z]+}", "+", row.pattern.replace("{node}", "%u"))
        assert (f"darner/v1/{mine}" in writes) == (row not in topics.TO_NODES), row.name
    assert not [one for one in writes if "#" in one]


def test_readers_do_not_read_what_visitors_send_to_nodes() -> None:
    reads = granted(roles.rules(), "topic read")
    assert "darner/v1/+/camera/+/thumbnail" in reads
    assert not [one for one in reads if "request" in one or one.startswith("darner/v1/#")]


def test_an_operator_may_do_what_a_rollout_does_and_no_more() -> None:
    assert set(roles.FOR_OPERATORS) == set(COMMANDS.values())
    assert set(roles.OPERATORS_READ) == {*STATE, topics.METRICS}
    assert roles.MAILBOX == MAILBOX
    section = roles.rules().partition("user operator\n")[2].partition("\nuser ")[0]
    assert granted(section, "topic write") == {f"darner/v1/+/request/{one}" for one in COMMANDS.values()}
    answers = {one for one in granted(section, "topic read") if "/response/" in one}
    assert answers == {f"darner/v1/+/response/{one}" for one in (MAILBOX, *COMMANDS.values())}
    assert not re.search(
        "thumbnail|detections|events|snapshot|ack|#$", section.replace("deny darner/v1/operator/#", "")
    )


def test_other_prefixes_are_in_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert roles.main(["--prefix", "site1/darner/v1", "--discovery", "ha"]) == 0
    text = capsys.readouterr().out
    ours = [line for line in text.splitlines() if re.match("topic|pattern", line)]
    assert len(ours) > 40
    for line in ours:
        assert re.match(r"(topic|pattern) \w+ (site1/darner/v1/|ha/)", line), line


@pytest.mark.parametrize(
    ("option", "key"), [("--prefix", "mqtt.prefix"), ("--discovery", "homeassistant.prefix")]
)
def test_a_prefix_with_a_wildcard_is_one_line(
    option: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert roles.main([option, "a/#"]) == 2
    assert f"{key}: level '#'" in capsys.readouterr().err
