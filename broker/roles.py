"""`python -m broker.roles > acl`: who may publish and read what, as Mosquitto's access control list.

The list is generated from the topic table, so nobody can fill topics that Darner does not use. `--prefix` and
`--discovery` are for installations with another `mqtt.prefix` or `homeassistant.prefix`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from shared.errors import DarnerError
from shared.program import Parser
from shared.wire import topics
from shared.wire.topics import Topic

USER = "%u"
"""Mosquitto puts the user's name in its place, in a line that begins with "pattern"."""
FROM_NODES = tuple(row for row in topics.TABLE if row not in topics.TO_NODES)
"""What other users may read: no requests, which can carry a visitor's picture, and no acknowledgements."""
FOR_HOME_ASSISTANT = ("set", "mode.set", "reload")
"""The commands that its switches, numbers, choices and buttons send."""
OPERATORS_READ = (
    topics.STATUS,
    topics.INFO,
    topics.CAMERAS,
    topics.CALENDAR,
    topics.RULES,
    topics.METRICS,
    topics.CAMERA_STATUS,
    topics.ZONES,
    topics.SETTINGS,
)
"""What a rollout has to know: nothing about what cameras see."""
FOR_OPERATORS = ("zones.set", "calendar.set", "rules.set", "set", "cameras.set", "reload")
"""The commands that a rollout sends. It reads the answers to these alone: others can hold pictures."""
MAILBOX = "fleet"
"""Where it has answers sent with MQTT 5."""

_TEXT = """\
# Who may publish and read what: by user name, or the name in the client certificate, but never by client id.
# `python -m broker.roles` writes this from the topic table; it has options for other prefixes.
# Mosquitto grants every subscription and then filters each message. So a missing right shows as silence.

# An edge node is a user with the name of its node and without a section of its own below. It writes the
# topics of the table under its own name, and the ping that asks whether its name is taken.
{node_writes}
# It reads its requests, its acknowledgements, what it retains, and what tells it that its name is taken.
{node_reads}
# Home Assistant: a node announces itself and its cameras, and learns when Home Assistant starts. (Mosquitto
# warns that the last line has no %u: it is for everybody.)
{own_devices}
pattern read {discovery}/status

# Only where nodes publish bundles (bundle: {{enabled: true}}); their readers need a line of their own, too.
# pattern write webcam-detections

# Only where nodes publish in ONVIF's words (onvif: {{frames: true, events: true}}) without an onvif.prefix.
# pattern write {user}/onvif-mj/#
# pattern readwrite {user}/onvif-ej/#

# The viewer reads what nodes publish; it sends commands and acknowledges events.
user viewer
{viewer_denied}
{viewer_reads}
{viewer_writes}

# An archive of events (darner-archive) reads them and says what it has stored, and sees no pictures.
user archive
{archive_denied}
{archive_reads}
{archive_writes}

# Third parties only read. Copy this section for each of them, with its name in the first three lines. The
# patterns above hold for every user, and only "deny" takes away what they grant.
user reader
{reader_denied}
{reader_reads}

# Who rolls out zones, masks, calendars, rules, settings and models to many nodes (darner-fleet) reads what is
# in force, and no pictures, objects or events.
user operator
{operator_denied}
{operator_reads}
{operator_writes}

# Home Assistant reads, publishes on its own topic that it has started, sends the commands of its switches,
# numbers, choices and buttons, and clears a device that its user deletes.
user homeassistant
{homeassistant_denied}
{reader_reads}
{homeassistant_writes}
topic read {discovery}/#
topic write {discovery}/status
{devices}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and print the list; return the process's exit code."""
    parser = Parser(prog="python -m broker.roles", description=__doc__)
    parser.add_argument("--prefix", default=topics.DEFAULT_PREFIX, help="mqtt.prefix (default %(default)s)")
    parser.add_argument(
        "--discovery", default="homeassistant", help="homeassistant.prefix (default %(default)s)"
    )
    options = parser.parse_args(arguments)
    try:
        print(rules(options.prefix, options.discovery), end="")
    except DarnerError as error:
        print(f"roles: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def rules(prefix: str = topics.DEFAULT_PREFIX, discovery: str = "homeassistant") -> str:
    """The whole list.

    Args:
        prefix: First levels of our topics.
        discovery: First levels of Home Assistant's.

    Raises:
        ConfigError: A prefix cannot begin a topic.
    """
    topics.check_prefix(prefix)
    topics.check_prefix(discovery, "homeassistant.prefix")
    devices = [row.filter(discovery) for row in topics.OF_HOME_ASSISTANT]
    own_devices = [_own(discovery, row) for row in topics.OF_HOME_ASSISTANT]
    ping = _own(prefix, topics.REQUEST).replace("+", "ping")
    answer = _own(prefix, topics.RESPONSE).replace("+", "ping")
    requests = _own(prefix, topics.REQUEST).replace("+", "#")  # also what cannot be a command gets an answer

    def denied(user: str) -> str:
        return _lines("topic deny", (f"{prefix}/{user}/#", f"{discovery}/device/{user}/#"))

    return _TEXT.format(
        node_writes=_lines("pattern write", [*(_own(prefix, row) for row in FROM_NODES), ping]),
        node_reads=_lines(
            "pattern read",
            [
                requests,
                *(_own(prefix, row) for row in topics.TABLE if row.retain),
                answer,
            ],
        ),
        own_devices=_lines("pattern readwrite", own_devices),
        discovery=discovery,
        user=USER,
        viewer_denied=denied("viewer"),
        viewer_reads=_lines("topic read", (row.filter(prefix) for row in FROM_NODES)),
        viewer_writes=_lines("topic write", (row.filter(prefix) for row in topics.TO_NODES)),
        archive_denied=denied("archive"),
        archive_reads=_lines("topic read", (topics.EVENTS.filter(prefix),)),
        archive_writes=_lines("topic write", (topics.ACK.filter(prefix),)),
        reader_denied=denied("reader"),
        reader_reads=_lines("topic read", (row.filter(prefix) for row in FROM_NODES)),
        operator_denied=denied("operator"),
        operator_reads=_lines(
            "topic read",
            [
                *(row.filter(prefix) for row in OPERATORS_READ),
                *(f"{topics.RESPONSE.filter(prefix)[:-1]}{command}" for command in (MAILBOX, *FOR_OPERATORS)),
            ],
        ),
        operator_writes=_lines(
            "topic write", (f"{requests.replace(USER, '+')[:-1]}{command}" for command in FOR_OPERATORS)
        ),
        homeassistant_denied=denied("homeassistant"),
        homeassistant_writes=_lines(
            "topic write", (f"{requests.replace(USER, '+')[:-1]}{command}" for command in FOR_HOME_ASSISTANT)
        ),
        devices=_lines("topic write", devices),
    )


def _own(prefix: str, row: Topic) -> str:
    """A row's filter for one user's own node."""
    return row.filter(prefix).replace("+", USER, 1)


def _lines(words: str, filters: Iterable[str]) -> str:
    return "\n".join(f"{words} {topic_filter}" for topic_filter in filters)


if __name__ == "__main__":
    sys.exit(main())
