"""The desk of the rules: it takes changes, finds what is wrong with rules, and tells everybody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from edge_node.config.saved.answers import saved_as, wrong_in_the_request
from edge_node.rules.alerts import Alerts
from edge_node.rules.memory import Memory
from edge_node.rules.store import RuleStore
from shared.errors import MessageError
from shared.rules.problems import Lasts, Places, as_warnings, problems
from shared.wire.messages import Request, RuleDefinition

_PROBLEM_BYTES = 250_000
"""What the sentences about rules may take of their message; those beyond it are left out."""


class RuleDesk:
    """Where a node's rules are changed, and from where they are published.

    Args:
        store: Keeps the rules.
        alerts: Uses them.
        memory: Keeps what they have told.
        cameras: Gives the zones and lines of every camera now.
        class_names: The model's classes.
        publish: Publishes the message about the rules, given its fields.
        announce: Called with the rules after each change.
    """

    def __init__(
        self,
        store: RuleStore,
        alerts: Alerts,
        memory: Memory,
        cameras: Callable[[], Mapping[str, Places]],
        class_names: Sequence[str],
        publish: Callable[[dict[str, Any]], None],
        announce: Callable[[Mapping[str, RuleDefinition]], None] = lambda _: None,
    ) -> None:
        self._store, self._alerts, self._memory = store, alerts, memory
        self._cameras, self._class_names = cameras, class_names
        self._publish, self._announce = publish, announce
        self._schedules: Collection[str] | None = None
        self._never_active: Collection[str] = ()
        self._lasts: Lasts = lambda *_: True
        self._lock = threading.Lock()  # guards what was said, and its order
        self._said: object = None

    @property
    def rules(self) -> Mapping[str, RuleDefinition]:
        """The rules now."""
        return self._store.current.rules

    def handlers(self) -> dict[str, Callable[[Request, bytes | None], dict[str, Any]]]:
        """Each handler under its command's name."""
        return {"rules.set": self.set}

    def set(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        """Replace the node's rules for good; return the new version and warnings."""
        if request.rules is None or request.version is None:
            raise MessageError(
                "rules and version are needed; version is that of the /rules message to replace, or 0 where "
                "there is none"
            )
        with wrong_in_the_request():
            saved = self._store.save(request.rules, request.version)
        self._use()
        return saved_as(saved.version, as_warnings(self._problems(saved.rules)))

    def configure(self, rules: Mapping[str, RuleDefinition], *, renamed: bool = False) -> list[str]:
        """Use a configuration's rules, if they have changed.

        Args:
            rules: All of them.
            renamed: Whether people call the node or a camera something else now.

        Returns:
            What is wrong with the rules, if they have changed.
        """
        changed = self._store.configure(rules)
        if changed or renamed:
            self._use()
        return self.warnings() if changed else []

    def warnings(self) -> list[str]:
        """What is wrong with the rules."""
        return as_warnings(self._problems(self.rules))

    def know_schedules(
        self,
        schedules: Collection[str],
        never_active: Collection[str] = (),
        lasts: Lasts = lambda *_: True,
    ) -> None:
        """Note which schedules there are, which of them are never active, and for how long others are."""
        self._schedules, self._never_active = frozenset(schedules), frozenset(never_active)
        self._lasts = lasts
        self.tell()

    def tell(self) -> None:
        """Publish the rules and what is wrong with them, if that is news and the node ever had any."""
        with self._lock:
            current = self._store.current
            if not current.version:
                return
            found = self._problems(current.rules)
            if (current.version, found) != self._said:
                self._said = current.version, found
                self._publish(
                    {"version": current.version, "rules": current.rules, "problems": _fitting(found)}
                )

    def attend(self) -> None:
        """Keep what the rules have told, where it has changed; call this often."""
        self._memory.keep(self._alerts.changes, self._alerts.states)

    def close(self) -> None:
        """Keep it at once."""
        self._memory.keep(self._alerts.changes, self._alerts.states, at_once=True)

    def _use(self) -> None:
        """Use the newest rules; another thread may have saved newer ones meanwhile."""
        self._alerts.redefine(self.rules)
        self.tell()
        self._announce(self.rules)

    def _problems(self, rules: Mapping[str, RuleDefinition]) -> dict[str, tuple[str, ...]]:
        return problems(
            rules, self._cameras(), self._class_names, self._schedules, self._never_active, self._lasts
        )


def _fitting(found: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """As many of the sentences as a message has room for."""
    fitting, size = {}, 0
    for name, sentences in found.items():
        size += sum(len(one.encode()) + 8 for one in sentences) + len(name) + 8
        if size > _PROBLEM_BYTES:
            break
        fitting[name] = sentences
    return fitting
