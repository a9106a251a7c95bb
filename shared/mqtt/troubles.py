"""Why there is no connection to the broker: logged once, with the fix, or an error if waiting is useless."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable

from shared.errors import BrokerError
from shared.log import Once
from shared.mqtt import terms, tls

log = logging.getLogger("darner.mqtt")

MANY = 5
"""So many short connections in a row are no accident."""


class BrokerTroubles:
    """Logs why there is no connection, or reports it as an error.

    Only the first connection can fail with an error: one that has worked before is always waited for.

    Args:
        host: Host of the broker.
        port: Port of the broker.
        on_refused: Called with an error that waiting does not cure; None logs it instead.
        version: The version of MQTT that we speak.
        client_id: How this client calls itself.
    """

    def __init__(
        self,
        host: str,
        port: int,
        on_refused: Callable[[BrokerError], None] | None,
        version: str,
        client_id: str,
    ) -> None:
        self._where = f"{host}:{port}"
        self._on_refused = on_refused
        self._version, self._client_id = version, client_id
        self._ever_connected = False
        self._connections = 0
        self._answered = False
        self._unreachable_said = False
        self._once = Once()

    def over(self) -> None:
        """The broker has accepted us."""
        self._answered = self._ever_connected = True
        self._connections += 1
        self._unreachable_said = False

    def refused(self, reason: str, properties: object) -> None:
        """The broker answered with a refusal.

        Args:
            reason: MQTT's name of the code in the CONNACK.
            properties: Those of the CONNACK.
        """
        self._answered = True
        text = f"the broker at {self._where} refused the connection: {reason}{self._cure(reason, properties)}"
        if reason in terms.HOPELESS and self._give_up(text):
            return
        if self._once(f"refused {reason}"):
            log.warning("%s; trying again", text)

    def lacking(self, what: str) -> None:
        """The broker accepted us, but lacks something without which Darner does not work.

        Args:
            what: The rest of the sentence "The broker ...", with the cure.
        """
        self._answered = True
        text = f"the broker at {self._where} {what}"
        if not self._give_up(text) and self._once(text):
            log.error("%s; trying again", text)

    def lost(self, reason: str, properties: object, short_lived: int) -> None:
        """A connection that the broker had accepted has ended.

        Args:
            reason: MQTT's name of the code in the DISCONNECT, or paho's of what happened.
            properties: Those of the DISCONNECT.
            short_lived: How many connections in a row have ended soon after they were made.
        """
        text = f"the broker at {self._where} ended the connection: {reason}{self._cure(reason, properties)}"
        hopeless = reason in terms.HOPELESS
        if hopeless and self._connections == 1 and self._refuse(text):
            return
        if hopeless and self._once(f"lost {reason}"):
            log.error("%s; trying again", text)
        elif short_lived < MANY:
            log.warning("lost the broker (%s); reconnecting", reason)
        elif short_lived == MANY:
            log.error(
                "the broker at %s has ended %d connections in a row within seconds (%s); its log says why: "
                "perhaps this user may not use these topics (mqtt.prefix), a message is too large for it, or "
                "it speaks another version (mqtt.version). Trying again, less often",
                self._where,
                short_lived,
                reason,
            )

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
                "the broker at %s hung up at once; does it expect TLS there (mqtts://), or another "
                "mqtt.version (%r), or does it refuse retained messages or QoS 1? Trying again",
                self._where,
                "3.1.1" if self._version == "5" else "5",
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
        return not self._ever_connected and self._refuse(text)

    def _refuse(self, text: str) -> bool:
        if self._on_refused is None:
            return False
        self._on_refused(BrokerError(text))
        return True

    def _cure(self, reason: str, properties: object) -> str:
        return terms.cure(reason, properties, self._version, self._client_id)
