"""Why there is no connection to the broker: logged once, with the fix, or an error if waiting is useless."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable

from shared.errors import BrokerError
from shared.log import Once
from shared.mqtt.address import Address
from shared.mqtt.link import terms, tls
from shared.mqtt.link.reach import LateLookupError
from shared.mqtt.link.route import Route

log = logging.getLogger("darner.mqtt")

MANY = 5
"""So many short connections in a row are no accident."""


class BrokerTroubles:
    """Logs why there is no connection, or reports it as an error.

    Only first connections can fail with an error: a broker that has worked before is always waited for. With
    several addresses, all must have failed so that waiting cures none of them.

    Args:
        route: Says which address was tried.
        on_refused: Called with an error that waiting does not cure; None logs it instead.
        version: The version of MQTT that we speak.
        client_id: How this client calls itself.

    Attributes:
        last: Why the last attempt has failed; None since the last connection.
    """

    def __init__(
        self,
        route: Route,
        on_refused: Callable[[BrokerError], None] | None,
        version: str,
        client_id: str,
    ) -> None:
        self._route = route
        self._on_refused = on_refused
        self._version, self._client_id = version, client_id
        self._connections = self._ended_for_good = 0
        self._hopeless: dict[Address, str] = {}
        self._answered = False  # in this attempt
        self._silent_said: set[Address] = set()  # since the last connection
        self._once = Once()
        self.last: str | None = None

    def over(self) -> None:
        """The broker has accepted us."""
        self.last = None
        self._hopeless.pop(self._route.address, None)
        self._connections += 1
        self._silent_said.clear()

    def refused(self, reason: str, properties: object) -> None:
        """The broker answered with a refusal.

        Args:
            reason: MQTT's name of the code in the CONNACK.
            properties: Those of the CONNACK.
        """
        self._answered = True
        text = f"{self._broker} refused the connection: {reason}{self._cure(reason, properties)}"
        self.last = text
        if reason in terms.HOPELESS:
            if self._give_up(text):
                return
        else:
            self._hopeless.pop(self._route.address, None)
        if self._once(f"refused {reason} {self._route.address}"):
            log.warning("%s; %s", text, self._further)

    def lacking(self, what: str) -> None:
        """The broker accepted us, but lacks something without which Darner does not work.

        Args:
            what: The rest of the sentence "The broker ...", with the cure.
        """
        self._answered = True
        text = self.last = f"{self._broker} {what}"
        if not self._give_up(text) and self._once(text):
            log.error("%s; %s", text, self._further)

    def lost(self, reason: str, properties: object, short_lived: int) -> None:
        """A connection that the broker had accepted has ended.

        Args:
            reason: MQTT's name of the code in the DISCONNECT, or paho's of what happened.
            properties: Those of the DISCONNECT.
            short_lived: How many connections in a row have ended soon after they were made.
        """
        text = self.last = f"{self._broker} ended the connection: {reason}{self._cure(reason, properties)}"
        hopeless = reason in terms.HOPELESS
        # One that has lived has worked: a cluster may send its clients elsewhere for a while.
        if hopeless and short_lived and self._connections == self._ended_for_good + 1:
            self._ended_for_good += 1
            if self._give_up(text):
                return
        if hopeless and self._once(f"lost {reason} {self._route.address}"):
            log.error("%s; %s", text, self._further)
        elif short_lived < MANY:
            log.warning("lost the broker at %s (%s); reconnecting", self._route.address, reason)
        elif short_lived == MANY:
            log.error(
                "%s has ended %d connections in a row within seconds (%s); its log says why: "
                "perhaps this user may not use these topics (mqtt.prefix), a message is too large for it, or "
                "it speaks another version (mqtt.version). Trying again, less often",
                self._broker if self._route.alone else f"{self._broker}, or another one of its cluster,",
                short_lived,
                reason,
            )

    def unreachable(self, failure: BaseException | None) -> None:
        """No connection could be made."""
        if isinstance(failure, ssl.SSLError):
            self.untrusted(tls.problem(failure))
            self._answered = False  # no end of a connection follows
        else:
            self._silent(_why(self._route.address, failure))

    def untrusted(self, reason: str) -> None:
        """One side does not accept the other's certificate."""
        self._answered = True
        text = self.last = f"no secure connection to {self._broker}: {reason}"
        if not self._give_up(text) and self._once(text):
            log.warning("%s; %s", text, self._further)

    def hung_up(self, *, late: bool) -> None:
        """The connection ended before the broker accepted us.

        Args:
            late: Whether we ended it, because the broker did not answer.
        """
        if late:
            self._silent(f"{self._broker} takes connections and never answers; is it a broker, or too busy?")
        elif not self._answered:
            other = "3.1.1" if self._version == "5" else "5"
            self._silent(
                f"{self._broker} hung up before it accepted this client. It may expect TLS there (mqtts://) "
                f"or another mqtt.version ({other!r}). Its limit on connections may be reached (Mosquitto: "
                "max_connections), or an allow-list or a firewall keeps us out. It may refuse retained "
                "messages or QoS 1."
            )
        self._answered = False

    def too_many_files(self, descriptor: int, most: int) -> None:
        """The socket has a file descriptor that is too high to wait for.

        Args:
            descriptor: The socket's.
            most: The highest that works.
        """
        text = self.last = (
            f"no connection to the broker: this process has too many files open (descriptor {descriptor}; "
            f"the highest that works is {most}); give it fewer cameras or browsers"
        )
        if (self._connections > 0 or not self._refuse(text)) and self._once("descriptors"):
            log.error("%s; trying again", text)

    def _silent(self, text: str) -> None:
        """Say why an address gives no answer, once until there is a connection."""
        self.last = text
        self._hopeless.pop(self._route.address, None)
        if self._route.address not in self._silent_said:
            self._silent_said.add(self._route.address)
            log.warning("%s %s", text, self._further.capitalize())

    @property
    def _broker(self) -> str:
        return f"the broker at {self._route.address}"

    @property
    def _further(self) -> str:
        return "trying again until it works" if self._route.alone else "trying the next address"

    def _give_up(self, text: str) -> bool:
        """Note that waiting does not cure this address, and report that when none is left that may work."""
        self._hopeless[self._route.address] = text
        if self._connections > self._ended_for_good or len(self._hopeless) < self._route.size:
            return False
        # Brokers of one cluster refuse for the same reason; a sentence for each address would only be long.
        return self._refuse("; ".join(dict.fromkeys(self._hopeless.values())))

    def _refuse(self, text: str) -> bool:
        if self._on_refused is None:
            return False
        self._on_refused(BrokerError(text))
        return True

    def _cure(self, reason: str, properties: object) -> str:
        return terms.cure(reason, properties, self._version, self._client_id)


def _why(at: Address, failure: BaseException | None) -> str:
    """Why nothing came about at an address, with what to look at."""
    if isinstance(failure, tls.HandshakeError):
        return (
            f"the broker at {at} ended the TLS handshake. It may speak no TLS on that port (mqtt://). Its "
            "limit on connections may be reached (Mosquitto: max_connections), or an allow-list or firewall "
            "keeps us out."
        )
    if isinstance(failure, tls.LateHandshakeError):
        return f"the broker at {at} takes connections and begins no TLS; does it speak TLS on that port?"
    if isinstance(failure, LateLookupError):
        return f"no broker answers at {at}: no name server has said in time which machine that is."
    if isinstance(failure, socket.gaierror):
        return f"no broker answers at {at}: there is no machine of that name ({failure.strerror}; mqtt.url)."
    if isinstance(failure, TimeoutError):
        return (
            f"no broker answers at {at} in time; is it running there (mqtt.url), or does a firewall drop us?"
        )
    return f"no broker answers at {at}; is it running there (mqtt.url)?"
