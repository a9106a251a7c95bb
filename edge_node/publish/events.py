"""What happened goes to the outbox, with the counters of the day that it changes, and to the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge_node.analytics.watch import Analysed
from edge_node.config.saved.definitions import Definitions
from edge_node.days.book import NO_DAYS, CameraDays
from edge_node.outbox.outbox import Outbox
from edge_node.publish.alerting import Alerting
from edge_node.publish.compose import Composer
from edge_node.publish.snapshots import Snapshots
from shared.wire.messages import Event


class Events:
    """Makes events of what happened.

    Args:
        outbox: Takes them.
        composer: Makes them.
        best: Sends the best views of their tracks.
        days: Counters of the day, by camera.
        alerting: Makes alerts of them; None: there are no rules.
    """

    def __init__(
        self,
        outbox: Outbox,
        composer: Composer,
        best: Snapshots,
        days: Mapping[str, CameraDays],
        alerting: Alerting | None,
    ) -> None:
        self._outbox, self._composer, self._best = outbox, composer, best
        self._days, self._alerting = days, alerting

    def report(self, item: Analysed) -> list[Event]:
        """Give the outbox a frame's events, and the counters of the day that they change; return them."""
        camera, at_us = item.frame.camera, item.frame.captured_ns // 1000
        events = [
            self._composer.event(happening, item, self._best.send(happening, camera))
            for happening in item.report.happenings
        ]
        rows = self._days.get(camera, NO_DAYS).count(events, at_us)
        if events or rows:
            self._outbox.add_all(events, rows)
        return events

    def judge(self, item: Analysed, events: Sequence[Event]) -> None:
        """Give the rules a frame's events, and then the definitions that are new with it."""
        if self._alerting is not None:
            self._alerting.frame(item, events)
            if item.definitions is not None:
                self._alerting.look_again(item.frame.camera)

    def define(self, item: Analysed, definitions: Definitions) -> None:
        """Have the counters of the day begin anew where this frame's definitions are new."""
        days = self._days.get(item.frame.camera)
        if days is not None:
            self._outbox.add_all([], days.define(definitions, item.frame.captured_ns // 1000))

    def happened(self, event: Event) -> Event:
        """Send an event that did not come from a frame's analysis. Any thread may call this.

        Returns:
            The event with its number and id.
        """
        event = self._outbox.add(event)
        if self._alerting is not None:
            self._alerting.happened(event)
        return event
