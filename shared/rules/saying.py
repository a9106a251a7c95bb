"""What an alert says."""

from __future__ import annotations

from shared.rules.holding import Holding
from shared.rules.scene import OF_CAUSE, Firing, Scene
from shared.rules.texts import capital, fill, number, sentence
from shared.wire.messages import Alert, Event, Problem, RuleDefinition


class Saying:
    """Makes alerts, with the names that people gave.

    Args:
        scene: What the engine watches.
        holding: Knows the local time.
    """

    def __init__(self, scene: Scene, holding: Holding) -> None:
        self._scene, self._holding = scene, holding

    def firing(
        self,
        name: str,
        rule: RuleDefinition,
        at_us: int,
        *,
        cause: Event | None = None,
        zone: str | None = None,
        problem: Problem | None = None,
        lasted_s: float | None = None,
        count: int | None = None,
    ) -> Firing:
        """One alert.

        Args:
            name: Identifier of the rule.
            rule: The rule.
            at_us: When its condition was met.
            cause: The event that caused it.
            zone: Zone or line.
            problem: What is wrong with the camera.
            lasted_s: Seconds for which it has been so.
            count: Objects in the zone, or events.
        """
        when = rule.when
        dwell_s = lasted_s if when.trigger in ("event", "stay") else None
        value = count if when.trigger in ("occupancy", "count") else lasted_s
        if when.trigger == "event" and value is None:
            value = count
        own = rule.text is not None
        template = rule.text or ("" if own else sentence(when, cause.type if cause else None, problem))
        time = self._holding.local_time(at_us) if "{time}" in template else None
        fields = self._fields(name, rule, time, cause, zone, problem, lasted_s, count)
        if not own:
            fields["label"] = fields["label"] or "something"
        text = fill(template, fields)
        alert = Alert(
            rule=name,
            name=rule.name,
            severity=rule.severity,
            text=text if own else capital(text),
            trigger=when.trigger,
            value=None if value is None else float(value),
            problem=problem,
            notify=rule.notify,
        )
        return Firing(
            rule=name,
            definition=rule,
            occurred_us=at_us,
            alert=alert,
            cause=cause,
            zone=zone,
            dwell_s=dwell_s,
            count=count,
            **({key: getattr(cause, key) for key in OF_CAUSE} if cause else {}),
        )

    def _fields(
        self,
        name: str,
        rule: RuleDefinition,
        time: str | None,
        cause: Event | None,
        zone: str | None,
        problem: Problem | None,
        lasted_s: float | None,
        count: int | None,
    ) -> dict[str, str | None]:
        """What a template may name."""
        scene = self._scene
        return {
            "node": scene.node_name or scene.node,
            "camera": scene.camera_name or scene.camera,
            "rule": rule.name or name,
            "zone": None if zone is None else scene.place_name(zone),
            "label": cause.label if cause else None,
            "direction": cause.direction if cause else None,
            "dwell_s": None if lasted_s is None else number(lasted_s),
            "count": None if count is None else str(count),
            "problem": problem and problem.replace("_", " "),
            "time": time,
        }
