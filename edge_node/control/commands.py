"""Commands over MQTT: a request under ``/request/{command}`` always gets an answer.

The answer goes to the request's MQTT 5 response topic with its correlation data, else to
``/response/{command}``; it repeats the request's `transaction` either way. A request whose topic does not
end in a possible command name is answered on ``/response/unknown``.

A bridge between brokers changes the prefix of topics, but not that of response topics inside messages. So a
response topic that is not below this node's responses gets the answer, and so does what it may mean here.
"""

from __future__ import annotations

import base64
import logging
import re
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import msgspec
import orjson

from shared import limits, typed
from shared.channel import Channel, Closed
from shared.configuration.explain import in_our_words, refuse_unknown
from shared.errors import ConfigError, ConflictError, DarnerError, MessageError
from shared.log import Once
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.pictures import is_picture, other_format
from shared.service.watchdog import Look, taking
from shared.wire import messages, topics
from shared.wire.messages import ErrorCode, Request, Text, now_us

log = logging.getLogger("darner.commands")

Handler = Callable[[Request, bytes | None], dict[str, Any]]
"""Carries out a request, with the picture that came with it if there was one, and returns the result.

A handler refuses with RefusedError. A MessageError is answered with code `invalid`, a ConflictError with
`conflict`, and every other DarnerError with `failed`.
"""

UNKNOWN = "unknown"
"""The command name in the answer to a request whose topic holds no possible command name."""
COMMAND_S = 60.0
"""How long a command may take until the node counts as frozen, seconds."""
OUTWARD_S = 120.0
"""The same for a command that waits for a camera."""
MAX_WAITING, ROOM = 32, 32_000_000
"""The most requests, and bytes of requests, that may wait while another one is carried out."""
SLOW, MAX_SLOW = frozenset({"detect", "reload"}), 4
"""Commands that have a thread of their own, so that no other waits for them; and how many may wait there."""
OUTWARD, MAX_OUTWARD = frozenset({"cameras.probe", "cameras.discover"}), 2
"""The same for those that wait for what is outside, such as a camera that does not answer."""


class RefusedError(DarnerError):
    """A command that the node does not carry out.

    Args:
        code: The kind of error, for programs.
        reason: What was wrong and how to mend it, for people.
    """

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code: ErrorCode = code


class Commands:
    """Answers the requests to one node, one after the other; those that decode pictures in a thread apart.

    `with` subscribes to the requests and starts the threads. Leaving refuses the requests that still wait,
    and does not wait for those that are being carried out.

    Args:
        client: The connection; leave it after this.
        prefix: The prefix of the node's topics.
        node: The node's name.
        session: The node's session.
        handlers: The handler of each command, by the command's name.
    """

    def __init__(
        self, client: Client, prefix: str, node: str, session: str, handlers: Mapping[str, Handler]
    ) -> None:
        self._client = client
        self._prefix, self._node, self._session = prefix, node, session
        self._handlers = handlers
        self._requests = topics.REQUEST.path(prefix, node=node, command="x").removesuffix("x")
        self._quick, self._slow, self._outward = (
            Channel[Received](depth, room=ROOM, size=lambda one: len(one.payload))
            for depth in (MAX_WAITING, MAX_SLOW, MAX_OUTWARD)
        )
        self._stopping = False
        self._once = Once()

    def __enter__(self) -> Commands:
        # "#" also matches topics that cannot be commands: these requests are answered as well.
        self._client.subscribe(f"{self._requests}#", 1)
        lanes = {"commands": self._quick, "detect": self._slow, "cameras": self._outward}
        for name, waiting in lanes.items():
            threading.Thread(target=self._run, args=(waiting,), name=name, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        for waiting in (self._quick, self._slow, self._outward):
            waiting.close()
            for received in waiting:
                self._refuse(received, "the node is stopping")

    def look(self) -> Look | None:
        """What a watchdog sees of the thread of all commands that are quick."""
        return taking(self._quick, look=lambda taken: Look(taken, frozen_s=COMMAND_S))()

    def look_at_slow(self) -> Look | None:
        """What a watchdog sees of the thread that decodes pictures."""
        return taking(self._slow, look=lambda taken: Look(taken, COMMAND_S, COMMAND_S))()

    def look_at_outward(self) -> Look | None:
        """What a watchdog sees of the thread that waits for cameras, which may take a while."""
        return taking(self._outward, look=lambda taken: Look(taken, OUTWARD_S, OUTWARD_S))()

    def accept(self, received: Received) -> None:
        """Queue a request, or refuse it when too many wait already; returns at once."""
        if received.retain:
            return  # sent before the node listened
        command = self._command(received)
        waiting = self._slow if command in SLOW else self._outward if command in OUTWARD else self._quick
        try:
            if waiting.put_if_room(received):
                return
            reason = f"{len(waiting)} requests wait already; ask again later"
            if self._once("busy"):
                log.warning("a request was refused: %s (said once)", reason)
        except Closed:
            reason = "the node is stopping"
        self._refuse(received, reason)

    def answer(self, received: Received) -> None:
        """Carry out one request and publish the answer."""
        command = self._command(received)
        refused, result = None, {}
        try:
            result = self._carry_out(command, received.payload)
        except DarnerError as error:
            refused = _refusal(error)
        except Exception:
            log.exception("command %s failed", command)
            refused = RefusedError("failed", "internal error; see the node's log")
        if not self._say(received, refused, result) and refused is None:
            too_long = (
                f"the answer is longer than {limits.PAYLOAD_BYTES} bytes or the broker's max_packet_size"
            )
            self._say(received, RefusedError("failed", too_long), {})

    def _run(self, waiting: Channel[Received]) -> None:
        for received in waiting:
            if self._stopping:
                self._refuse(received, "the node is stopping")
                continue
            try:
                self.answer(received)
            except Exception:  # a fault in one answer must not end the answering of all others
                log.exception("the request on %r was not answered", received.topic)

    def _carry_out(self, command: str, payload: bytes) -> dict[str, Any]:
        request, image = _read(payload)
        handler = self._handlers.get(command)
        if handler is None:
            known = ", ".join(self._handlers)
            name = command[: limits.LABEL_LENGTH]
            raise RefusedError("unknown", f"no command {name!r}; the commands are: {known}")
        result = handler(request, image)
        if "warnings" in result:
            result["warnings"] += _left_out(payload)
        return result

    def _refuse(self, received: Received, reason: str) -> None:
        self._say(received, RefusedError("busy", reason), {})

    def _say(self, received: Received, refused: RefusedError | None, result: dict[str, Any]) -> bool:
        """Publish an answer; False when it could not be."""
        command = self._command(received)
        response = messages.Response(
            node=self._node,
            session=self._session,
            published_us=now_us(),
            command=command if topics.may_be_command(command) else UNKNOWN,
            transaction=_transaction(received.payload),
            error=limits.clipped(str(refused)) if refused else None,
            code=refused.code if refused else None,
            result=result,
        )
        payload = messages.encode(response)
        if len(payload) > limits.PAYLOAD_BYTES:
            return False
        said = [
            self._client.publish(topics.RESPONSE, path, payload, correlation=received.correlation)
            for path in self._reply_topics(received, response.command)
        ]
        return all(said)

    def _command(self, received: Received) -> str:
        """The command's name, or whatever the topic has in its place."""
        return received.topic[len(self._requests) :]

    def _reply_topics(self, received: Received, command: str) -> list[str]:
        wanted = received.response_topic
        own = topics.RESPONSE.path(self._prefix, node=self._node, command=command)
        if (
            wanted
            and len(wanted) <= limits.TOPIC_LENGTH
            and not set(wanted) & set("+#\0")
            and not wanted.startswith("$")
        ):
            base, mailbox = own.removesuffix(command), wanted.rpartition("/")[2]
            if wanted == base + mailbox:
                return [wanted]
            ours = f"/{wanted}".endswith(f"/{self._node}/response/{mailbox}") and topics.may_be_command(
                mailbox
            )
            return [wanted, base + mailbox if ours else own]
        return [own]


_WRITTEN = re.compile(rb'"transaction"\s*:\s*("(?:[^"\\]|\\.)*")')
"""Where a transaction stands in JSON that cannot be read, such as one with NaN in it."""


class _Asked(msgspec.Struct):
    """The field of a request that its answer repeats, even if the rest of the request is invalid."""

    transaction: Text | None = None


def _transaction(payload: bytes) -> str | None:
    """The request's transaction, even if the rest of the request breaks the contract or is no JSON."""
    if is_picture(payload) or len(payload) > limits.PAYLOAD_BYTES:
        return None
    try:
        return typed.decode(payload, _Asked).transaction
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = _WRITTEN.search(payload)
    try:
        return typed.decode(found[1], Text) if found else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _refusal(error: DarnerError) -> RefusedError:
    """The refusal that a handler's error stands for."""
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, ConflictError):
        return RefusedError("conflict", str(error))
    return RefusedError("invalid" if isinstance(error, MessageError) else "failed", str(error))


def _located(payload: bytes, error: str) -> str:
    """The error with the names of zones and schedules, and in words where msgspec has a pattern."""
    if len(payload) > limits.DEFINITIONS_BYTES:
        return error
    try:
        return in_our_words(Request, orjson.loads(payload), error)
    except ValueError:  # what follows the misfit may be no JSON
        return error


def _left_out(payload: bytes) -> list[str]:
    """A sentence about the first key that no request has; a newer sender may say more than we know."""
    try:
        refuse_unknown(Request, orjson.loads(payload), lambda path: path)
    except ConfigError as error:
        return [limits.clipped(f"{error} It was left out.")]
    return []


def _read(payload: bytes) -> tuple[Request, bytes | None]:
    """A request and its picture: a picture alone, JSON with or without one, or nothing at all."""
    if is_picture(payload):
        return Request(), payload
    try:
        request = messages.decode(Request, payload or b"{}")
    except MessageError as error:
        if not str(error).startswith("not JSON"):
            raise MessageError(_located(payload, str(error))) from None
        if payload.lstrip().startswith(b"{"):
            raise
        other = other_format(payload)
        what = f"{other}, which is neither" if other else "neither"
        raise MessageError(f"the payload is {what} JPEG nor PNG nor JSON") from None
    if request.image_base64 is None:
        return request, None
    try:
        return request, base64.b64decode(request.image_base64, validate=True)
    except ValueError as error:
        raise MessageError(f"image_base64: {error}") from None
