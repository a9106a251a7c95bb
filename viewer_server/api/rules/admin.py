"""Endpoints about rules: what they can be about, and saving them, by asking their node."""

from __future__ import annotations

from typing import Any

from shared.asking.requests import NodeRequests
from viewer_server.api import find
from viewer_server.api.asked import asked_of, body_as, checked
from viewer_server.api.endpoint import Endpoint, Refused
from viewer_server.api.rules import choices
from viewer_server.api.rules.said import RuleList, RulesChange, RulesSaved
from viewer_server.api.schemas.common import FindQuery, Nothing
from viewer_server.live.hub import Hub
from viewer_server.stored.reading import Database


class RuleAdmin:
    """The endpoints, one method each.

    Args:
        hub: Knows the nodes.
        requests: Asks a node.
        history: The stored events.
    """

    def __init__(self, hub: Hub, requests: NodeRequests, history: Database) -> None:
        self._hub, self._requests, self._history = hub, requests, history

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The rows of the table."""
        return (
            Endpoint("/rules", self.rules, FindQuery, RuleList,
                     "Rules of nodes, what they can be about, and to whom their alerts can go"),
            Endpoint("/rules/<node>", self.save_rules, Nothing, RulesSaved,
                     "Replace a node's rules, unless another version was saved",
                     method="POST", body=RulesChange, asks_node=True),
        )  # fmt: skip

    def rules(self, query: FindQuery) -> dict[str, Any]:
        """What the nodes say of their rules."""
        names = sorted(find.nodes(self._hub.names(), query.words))
        return {
            "nodes": choices.about(self._hub, query.cut(names)),
            "total": len(names),
            "targets": [],
            "history": self._history.exists,
        }

    def save_rules(self, query: Nothing, node: str) -> dict[str, Any]:  # noqa: ARG002
        """Save rules; 409 when the saved version is not the one that the request replaces."""
        if node not in self._hub.online():
            raise Refused(404, f"no node {node!r} has announced itself")
        if not choices.about(self._hub, [node])[0]["can"]:
            raise Refused(422, f"node {node!r} is of an older version, which has no rules: update it")
        answer = asked_of(self._requests, node, "rules.set", body_as(RulesChange))
        return checked(RulesSaved, answer)
