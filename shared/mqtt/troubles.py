"""Why there is no connection to the broker: logged once, with the fix, or an error if waiting is useless."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable

from shared.errors import BrokerError
from shared.log import Once
from shared.mqtt import tls

log = logging.getLogger("darner.mqtt")

# Waiting does not cure these: the first CONNACK that carries one is an error for the user.
_HOPELESS = {
    "Bad user name or password",
    "Not authorized",
    "Banned",
    "Bad authentication method",
    "Client identifier not valid",
    "Unsupported protocol version",
}


class BrokerTroubles:
    """Logs why there is no connection, or reports it as an error.

    Only the first connection can fail with an error: one that has worked before is always waited for.

    Args:
        host: Host of the broker.
        port: Port of the broker.
        on_refused: Called with an error that waiting does not cure; None logs it instead.
    """

    def __init__(self, host: str, port: int, on_refused: Callable[[BrokerError], None] | None) -> None:
        self._where = f"{host}:{port}"
        self._on_refused = on_refused
        self._ever_connected = False
        self._answered = False
        self._unreachable_said = False
        self._once = Once()

    def over(self) -> None:
        """The broker has accepted us."""
        self._answered = self._ever_connected = True
        self._unreachable_said = False

    def refused(self, reason: str) -> None:
        """The broker answered with a refusal.

        Args:
            reason: MQTT's name of the code in the CONNACK.
        """
        self._answered = True
        text = f"the broker at {self._where} refused the connection: {reason}"
        fix = "; check mqtt.username, mqtt.password and mqtt.version"
        if reason in _HOPELESS and self._give_up(text + fix):
            return
        if self._once(text):
            log.warning("%s; trying again", text)

    def unreachable(self, failure: BaseException | None) -> None:
        """No connection could be made."""
        reason = tls.problem(failure) if isinstance(failure, ssl.SSLError) else None
        if reason is not None:
            self.untrusted(reason)
        elif not self._unreachable_said:
            self._unreachable_said = True
            log.warning(
                "no broker answers at %s; is it running there (mqtt.url)? Trying again until it does",
                self._where,
            )

    def untrusted(self, reason: str) -> None:
        """One side does not accept the other's certificate."""
        self._answered = True
        text = f"no secure connection to the broker at {self._where}: {reason}"
        if not self._give_up(text) and self._once(text):
            log.warning("%s; trying again", text)

    def hung_up(self) -> None:
        """The connection ended before the broker accepted us."""
        if not self._answered and self._once("hung up"):
            log.warning(
                "the broker at %s hung up at once; does it expect TLS there (mqtts://)? Trying again",
                self._where,
            )

    def too_many_files(self, descriptor: int, most: int) -> None:
        """The socket has a file descriptor that is too high to wait for.

        Args:
            descriptor: The socket's.
            most: The highest that works.
        """
        text = (
            f"no connection to the broker: this process has too many files open (descriptor {descriptor}; "
            f"the highest that works is {most}); give it fewer cameras or browsers"
        )
        if not self._give_up(text) and self._once("descriptors"):
            log.error("%s; trying again", text)

    def _give_up(self, text: str) -> bool:
        if self._ever_connected or self._on_refused is None:
            return False
        self._on_refused(BrokerError(text))
        return True
