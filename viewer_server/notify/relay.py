"""Mail, chat, phone push and the rest, through Apprise (BSD 2-Clause), which the extra `alerts` installs."""

from __future__ import annotations

import importlib
import logging
import re
import threading
from typing import Any
from urllib.parse import unquote

from shared.errors import ConfigError
from shared.limits import clipped
from shared.secrets import known
from shared.secrets.redact import keep_address, redact
from viewer_server.notify.alert import RANKS
from viewer_server.notify.parcel import Answer, Parcel, check_template
from viewer_server.notify.webhook import one_of
from viewer_server.targets import TargetSettings

HUNG = 3
"""Sends of one target that may hang; there is no further attempt until one of them ends."""
SHOWN = 200
LOGGED = 20
"""Maximum lines of Apprise's log that are kept of one attempt."""
_PARTS = re.compile(r"[/?&=:@,]+")
_SECRET = 8
"""From this length on, a part of an address is taken for a secret: many services have keys in paths."""


class Relay:
    """Sends to one of Apprise's addresses.

    Apprise waits for its libraries, and some of these wait for ever. So each attempt has a thread of its own,
    which is left alone when its time is over. As Apprise cannot tell whether it has delivered later, a
    receiver may then get the same alert twice.

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
        keep_address(url)
        known.keep(url)
        for part in _PARTS.split(url.partition("://")[2]):
            if len(unquote(part)) >= _SECRET and "." not in part:
                known.keep(unquote(part))
        for name in ("title", "body"):
            check_template(getattr(settings, name), f"{key}.{name}")
        try:
            self._apprise = importlib.import_module("apprise")
            self._memory = importlib.import_module("apprise.attachment.memory").AttachMemory
        except ImportError:
            raise ConfigError(
                f"{key}: kind apprise needs the package Apprise; install it: pip install 'darner[alerts]'"
            ) from None
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # what it says stands in the delivery log
        self._services = self._made(key, url)
        self._hanging: list[threading.Thread] = []

    def _made(self, key: str, url: str) -> Any:
        asset = self._apprise.AppriseAsset(
            async_mode=False,
            secure_logging=True,
            storage_mode=self._apprise.PersistentStoreMode.MEMORY,
            pem_autogen=False,
            pgp_autogen=False,
            app_id="Darner",
            app_desc="Darner",
            app_url="",
        )
        services = self._apprise.Apprise(asset=asset)
        if not services.add(url):
            raise ConfigError(
                f"{key}.url: is no address that Apprise knows; see https://appriseit.com/services/"
            )
        return services

    def send(self, parcel: Parcel) -> Answer:
        """Make one attempt, within the target's timeout."""
        self._hanging = [thread for thread in self._hanging if thread.is_alive()]
        if len(self._hanging) >= HUNG:
            return Answer(delivered=False, detail=f"{HUNG} earlier attempts still hang")
        said: list[str] = []
        results: list[bool] = []
        thread = threading.Thread(target=self._try, args=(parcel, said, results), name="apprise", daemon=True)
        thread.start()
        thread.join(self._settings.timeout_s)
        if not results:
            if thread.is_alive():
                self._hanging.append(thread)
                return Answer(delivered=False, detail=f"no answer within {self._settings.timeout_s:g} s")
            return Answer(delivered=False, detail=redact(clipped("; ".join(said), SHOWN)) or "it failed")
        if results[0]:
            return Answer(delivered=True, detail="accepted")
        return Answer(delivered=False, detail=redact(clipped("; ".join(said), SHOWN)) or "was not accepted")

    def _try(self, parcel: Parcel, said: list[str], results: list[bool]) -> None:
        def heard(entry: Any, _service: Any) -> None:
            if entry.level in ("WARNING", "ERROR", "CRITICAL") and len(said) < LOGGED:
                said.append(entry.message)

        kind = self._apprise.NotifyType
        attach = None
        if parcel.jpeg is not None and self._settings.picture:
            attach = self._memory(
                content=parcel.jpeg, name=f"{parcel.first.event_id}.jpg", mimetype="image/jpeg"
            )
        try:
            taken = self._services.notify(
                body=parcel.fill(self._settings.body) or parcel.first.text,
                title=" ".join(parcel.fill(self._settings.title).split()),
                notify_type=(kind.INFO, kind.WARNING, kind.FAILURE)[RANKS[parcel.first.severity]],
                body_format=self._apprise.NotifyFormat.TEXT,
                attach=attach,
                log_callback=heard,
                log_level=logging.WARNING,
            )
        except Exception as error:  # noqa: BLE001 - of a hundred plug-ins, which may raise anything
            said.append(f"{type(error).__name__}: {error}")
            return
        results.append(bool(taken))
