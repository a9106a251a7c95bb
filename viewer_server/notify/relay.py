"""Mail, chat, phone push and the rest, through Apprise (BSD 2-Clause), which the extra `alerts` installs."""

from __future__ import annotations

import base64
import importlib.util
import logging
import re
import signal
import subprocess
import sys
from typing import Literal
from urllib.parse import unquote

import msgspec

from shared import typed
from shared.errors import ConfigError
from shared.secrets import known
from shared.secrets.redact import keep_address
from shared.wire.messages import Severity
from viewer_server.notify.parcel import Answer, Parcel, check_template, shown
from viewer_server.notify.post import Done, Job
from viewer_server.notify.webhook import one_of
from viewer_server.targets import TargetSettings

log = logging.getLogger("darner.notify")

START_S = 15.0
"""How long the process may take to start, on a machine that has much else to do."""
_TITLE = 300
"""Bytes of a title. In a mail it may take three times as many, on one line, which may have 998 (RFC 5322)."""
_PARTS = re.compile(r"[/?&=:@,]+")
_SECRET = 8
"""From this length on, a part of an address is taken for a secret: many services have keys in paths."""
KINDS: dict[Severity, Literal["info", "warning", "failure"]] = {
    "info": "info",
    "warning": "warning",
    "critical": "failure",
}


class Relay:
    """Sends to one of Apprise's addresses, each message in a process of its own.

    Args:
        key: The configuration key of the target, for errors.
        settings: The target.

    Raises:
        ConfigError: Apprise is not installed, does not know the address, or a template has unknown fields.
    """

    def __init__(self, key: str, settings: TargetSettings) -> None:
        self._settings = settings
        url = one_of(key, "url", settings.url, settings.url_file)
        if not url:
            raise ConfigError(f"{key}.url: is missing; give an address of Apprise's, or url_file")
        self._url = url
        keep_address(url)
        known.keep(url)
        path = "/" + url.partition("://")[2].partition("/")[2].partition("?")[0]
        if len(path) > _SECRET:
            known.keep(path)
        for part in _PARTS.split(url.partition("://")[2]):
            if len(unquote(part)) >= _SECRET and "." not in part:
                known.keep(unquote(part))
        for name in ("title", "body"):
            check_template(getattr(settings, name), f"{key}.{name}")
        if importlib.util.find_spec("apprise") is None:
            raise ConfigError(
                f"{key}: kind apprise needs the package Apprise; install it: pip install 'darner[alerts]'"
            )
        checked, problem = _run(Job(url=url), START_S)
        if checked is None and problem:
            raise ConfigError(f"{key}: Apprise cannot be used: {problem}")
        if checked is None:  # a viewer that is started again on a busy machine must not stay away
            log.warning(
                "%s: Apprise did not say within %g s whether it knows the address; it is used all the same",
                key,
                START_S,
            )
        elif not checked.known:
            why = f" ({shown(checked.said)})" if checked.said else ""
            raise ConfigError(
                f"{key}.url: is no address that Apprise knows{why}; see https://appriseit.com/services/"
            )

    def send(self, parcel: Parcel) -> Answer:
        """Make one attempt, within the target's timeout."""
        timeout_s = self._settings.timeout_s
        with_picture = parcel.jpeg is not None and self._settings.picture
        job = Job(
            url=self._url,
            timeout_s=timeout_s,
            title=_title(parcel.fill(self._settings.title)),
            body=parcel.fill(self._settings.body) or parcel.first.text,
            kind=KINDS[parcel.first.severity],
            jpeg=base64.b64encode(parcel.jpeg or b"").decode() if with_picture else None,
            name=f"{parcel.first.event_id}.jpg",
        )
        done, problem = _run(job, START_S + timeout_s)
        if done is None:
            return Answer(delivered=False, detail=problem or f"no answer within {timeout_s:g} s")
        said = shown(done.said)
        return Answer(
            delivered=done.accepted, detail="accepted" if done.accepted else said or "was not accepted"
        )


def _title(text: str) -> str:
    """One line that fits."""
    line = " ".join(text.split())
    data = line.encode()
    return line if len(data) <= _TITLE else data[: _TITLE - 3].decode(errors="ignore") + "\u2026"


def _run(job: Job, timeout_s: float) -> tuple[Done | None, str]:
    """What came of a job; None if it ended without an answer, with the reason unless it was too slow."""
    words = [sys.executable, "-m", "viewer_server.notify.post"]
    try:
        ended = subprocess.run(  # noqa: S603 - our own module
            words,
            input=msgspec.json.encode(job),
            capture_output=True,
            timeout=timeout_s,
            check=False,
            start_new_session=True,
        )
        if ended.returncode == -signal.SIGALRM:
            return None, ""
        return typed.decode(ended.stdout.strip().rpartition(b"\n")[2], Done), ""
    except subprocess.TimeoutExpired:
        return None, ""
    except OSError as error:
        return None, shown(f"the process cannot be started: {error}")
    except msgspec.DecodeError:
        last = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return None, shown(f"its process ended with code {ended.returncode}: {last}")
