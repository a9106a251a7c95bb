"""The ten lines of the page on a first automation, run on a real broker."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time

from tests.conftest import REPO, MosquittoProcess
from tests.docs.pages import DOCS, blocks

PAGE = DOCS / "getting-started" / "automation.md"
TOPIC = "darner/v1/shop/camera/entrance/events"


def crossing(direction: str, **more: object) -> str:
    """An event as a node publishes it, made from the captured example."""
    example = json.loads((DOCS / "examples" / "events.json").read_text())["payload"]
    event = {"type": "line_crossed", "zone": "door", "label": "person", "direction": direction}
    return json.dumps(example | event | more)


def test_the_ten_lines_act_on_who_comes_in_and_on_nothing_late(own_broker: MosquittoProcess) -> None:
    (program,) = [block.text for block in blocks(PAGE, "python")]
    statements = [line for line in program.splitlines() if line and not line.startswith("import")]
    assert len(statements) <= 10
    program = program.replace('connect("127.0.0.1")', f'connect("127.0.0.1", {own_broker.port})')
    payloads = [
        crossing("out"),
        crossing("in", historical=True),
        crossing("in", type="track_started"),
        crossing("in"),
    ]
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program], stdout=subprocess.PIPE, text=True, cwd=REPO
    ) as process:
        try:
            until = time.monotonic() + 60
            line = ""
            while not line and time.monotonic() < until:  # until it has subscribed
                for payload in payloads:
                    subprocess.run(
                        ["mosquitto_pub", "-p", str(own_broker.port), "-t", TOPIC, "-q", "1", "-m", payload],
                        check=True,
                    )
                line = printed(process)
            assert line == "person came in over door\n"
        finally:
            process.kill()


def printed(process: subprocess.Popen[str]) -> str:
    """The next line that a program prints; empty when it prints none for a moment."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], 0.3)
    return process.stdout.readline() if ready else ""
