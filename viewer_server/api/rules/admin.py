"""Endpoints about rules: what they can be about, saving them by asking their node, and trying one before."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import flask

from shared import typed
from shared.asking.requests import NodeRequests
from viewer_server.api import find
from viewer_server.api.asked import asked_of, body_as, checked
from viewer_server.api.endpoint import Endpoint, Refused
from viewer_server.api.rules import choices, trying
from viewer_server.api.rules.said import (
    RuleDraft,
    RuleList,
    RuleProblems,
    RuleReplay,
    RulesChange,
    RulesSaved,
    RuleTrial,
)
from viewer_server.api.schemas.common import FindQuery, Nothing
from viewer_server.live.hub import Hub
from viewer_server.serving.answering import HAS_GONE
from viewer_server.stored.reading import Database


class RuleAdmin:
    """The endpoints, one method each.

    Args:
        hub: Knows the nodes.
        requests: Asks a node.
        history: The stored events.
        pictures: The best picture of each track.
        targets: To whom the viewer can send alerts.
    """

    def __init__(
        self,
        hub: Hub,
        requests: NodeRequests,
        history: Database,
        pictures: Database,
        targets: Collection[str] = (),
    ) -> None:
        self._hub, self._requests, self._targets = hub, requests, sorted(targets)
        self._history, self._pictures = history, pictures

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The rows of the table."""
        return (
            Endpoint("/rules", self.rules, FindQuery, RuleList,
                     "Rules of nodes, what they can be about, and to whom their alerts can go"),
            Endpoint("/rules/<node>", self.save_rules, Nothing, RulesSaved,
                     "Replace a node's rules, unless another version was saved",
                     method="POST", body=RulesChange, asks_node=True),
            Endpoint("/rules/<node>/check", self.check_rule, Nothing, RuleProblems,
                     "What is wrong with a rule that is not saved yet", method="POST", body=RuleDraft),
            Endpoint("/rules/<node>/replay", self.replay_rule, Nothing, RuleReplay,
                     "What a rule that is not saved yet would have done: it runs over the stored history",
                     method="POST", body=RuleTrial),
        )  # fmt: skip

    def rules(self, query: FindQuery) -> dict[str, Any]:
        """What the nodes say of their rules."""
        names = sorted(find.nodes(self._hub.names(), query.words))
        return {
            "nodes": choices.about(self._hub, query.cut(names)),
            "total": len(names),
            "targets": self._targets,
            "history": self._history.exists,
        }

    def save_rules(self, query: Nothing, node: str) -> dict[str, Any]:  # noqa: ARG002
        """Save rules; 409 when the saved version is not the one that the request replaces."""
        self._check_node(node)
        if not choices.about(self._hub, [node])[0]["can"]:
            raise Refused(422, f"node {node!r} is of an older version, which has no rules: update it")
        answer = asked_of(self._requests, node, "rules.set", body_as(RulesChange))
        return checked(RulesSaved, answer)

    def check_rule(self, query: Nothing, node: str) -> dict[str, Any]:  # noqa: ARG002
        """What is wrong with a rule, by what the node has now."""
        self._check_node(node)
        draft = typed.convert(body_as(RuleDraft), RuleDraft)
        unknown = sorted(set(draft.rule.notify or ()) - set(self._targets))
        found = [f"names the target {name}, which this viewer does not have" for name in unknown]
        return {"problems": trying.problems(self._hub, node, draft) + found}

    def replay_rule(self, query: Nothing, node: str) -> dict[str, Any]:  # noqa: ARG002
        """What a rule would have done."""
        self._check_node(node)
        wanted = typed.convert(body_as(RuleTrial), RuleTrial)
        has_gone = flask.request.environ[HAS_GONE]
        return trying.tried(self._hub, self._history, self._pictures, node, wanted, has_gone)

    def _check_node(self, node: str) -> None:
        if node not in self._hub.online():
            raise Refused(404, f"no node {node!r} has announced itself")
