"""Reload: reads the configuration again, applies what a running node can change, and names the rest."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from edge_node.calendar.running import RunningCalendar
from edge_node.collect.collector import Collector
from edge_node.config.changes import changed_keys, with_live_changes
from edge_node.config.live import LiveStore
from edge_node.config.saved.definitions import DefinitionStore, with_definitions
from edge_node.config.settings import EdgeConfig
from edge_node.control.model import ANSWER_S
from edge_node.flow.pipeline import Pipeline
from edge_node.health.monitor import HealthMonitor
from edge_node.ignore.store import SuspectStore
from edge_node.mirror.mirror import Mirror
from edge_node.publish.homeassistant.announcing import HomeAssistant
from edge_node.publish.publisher import Publisher
from edge_node.rules.desk import RuleDesk
from edge_node.rules.scenes import Scenes
from shared import log as logs
from shared.definitions.problems import all_problems
from shared.errors import DarnerError
from shared.wire.messages import Request

log = logging.getLogger("darner.reload")


class Reload:
    """Applies the configuration to a running node.

    A key that has not changed since the last read is left alone, so a value set over MQTT since then stays.

    Args:
        read: Reads the configuration as at the start; raises DarnerError when it is wrong.
        config: The configuration as read at the start.
        class_names: The model's class names, by id.
        live: The live settings.
        definitions: The zones, lines, masks and filters of each camera.
        suspects: What may be static false positives on each camera.
        pipeline: The running pipeline.
        publisher: The publisher of the running node.
        homeassistant: The node's Home Assistant discovery.
        renew_model: Loads the model's file again if it has changed, and waits so many seconds for it.
        collector: Keeps frames that are worth labelling; None: nobody does.
        mirror: Says the same in the words of a standard; None: nobody does.
        rules: Where the node's rules are changed; None: there are none.
        scenes: What people call the node, its cameras and places, for the rules.
        calendar: Keeps the calendar; None: nobody does.
        health: Judges the cameras' pictures; None: nobody does.
    """

    def __init__(
        self,
        read: Callable[[], EdgeConfig],
        config: EdgeConfig,
        class_names: Sequence[str],
        live: LiveStore,
        definitions: DefinitionStore,
        suspects: SuspectStore,
        pipeline: Pipeline,
        publisher: Publisher,
        homeassistant: HomeAssistant,
        renew_model: Callable[[float], dict[str, Any]],
        collector: Collector | None = None,
        mirror: Mirror | None = None,
        rules: RuleDesk | None = None,
        scenes: Scenes | None = None,
        calendar: RunningCalendar | None = None,
        health: HealthMonitor | None = None,
    ) -> None:
        self._read = read
        self._config = config
        self._class_names = class_names
        self._live, self._definitions, self._suspects = live, definitions, suspects
        self._pipeline, self._publisher, self._homeassistant = pipeline, publisher, homeassistant
        self._renew_model = renew_model
        self._collector, self._mirror, self._health = collector, mirror, health
        self._rules, self._scenes = rules, scenes
        self._calendar = calendar
        self._lock = threading.RLock()

    def command(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        """The handler of `reload`; returns what was applied, what needs a restart, warnings, the model."""
        with self._lock:
            result = self._reload()
        return result | {"model": self._renew_model(ANSWER_S)}

    def apply(self) -> dict[str, Any]:
        """Apply what a running node can change; the model's file is left alone.

        Raises:
            DarnerError: The configuration is wrong; nothing was changed.
        """
        with self._lock:
            return self._reload()

    def on_signal(self) -> None:
        """Reload on SIGHUP; an error is logged."""
        try:
            with self._lock:
                self._reload()
            self._renew_model(0.0)  # it says in the log and on the wire what came of it
        except DarnerError as error:
            log.error("reload failed, nothing was changed: %s", error)

    def announce_zones(self) -> None:
        """Tell the rules, health and Home Assistant which zones and lines there are now."""
        with self._lock:
            if self._health is not None:
                self._health.drawn(self._definitions)
            if self._rules is not None:
                self._rules.tell()
            self._homeassistant.update(with_definitions(self._config, self._definitions))

    def _reload(self) -> dict[str, Any]:
        wanted = self._read()
        before, now = self._config, with_live_changes(self._config, wanted)
        applied, restart = list(changed_keys(before, now)), list(changed_keys(now, wanted))
        redefined = self._definitions.configure(now.cameras)  # first what can fail: all of it, or nothing
        if self._calendar is not None:
            self._calendar.reconfigure(now)
        self._config = now
        self._live.reconfigure(before, now)
        self._suspects.reconfigure(now.cameras)
        if self._health is not None:
            self._health.reconfigure(now.cameras)
        self._publisher.state.manifest.rename(now)
        self._publisher.serve(now)
        for name, camera in now.cameras.items():
            self._publisher.reconfigure(name, camera)
            if self._collector is not None:
                self._collector.reconfigure(name, camera)
        if self._mirror is not None and now.onvif != before.onvif:
            self._mirror.reconfigure(now.onvif)
        if self._calendar is not None:
            self._calendar.again()
        for name in redefined:
            self._pipeline.watches[name].redefine(self._definitions[name])
        rules_warnings = self._configure_rules(now)
        self.announce_zones()
        if now.log_level != before.log_level:
            logs.setup(now.log_level, now.log_format)
        log.info("reload applied: %s", ", ".join(applied) or "nothing")
        if restart:
            log.warning("reload: these keys need a restart: %s", ", ".join(restart))
        schedules = None if self._calendar is None else self._calendar.now.calendar.schedules
        warnings = [
            f"camera {name}: {problem}"
            for name, one in redefined.items()
            for problem in all_problems(one, self._class_names, self._live[name].confidence, schedules)
        ] + rules_warnings
        return {"applied": applied, "restart": restart, "warnings": warnings}

    def _configure_rules(self, now: EdgeConfig) -> list[str]:
        """Use the configuration's rules and names; return what is wrong with the rules, if they are new."""
        if self._rules is None or self._scenes is None:
            return []
        return self._rules.configure(now.rules, renamed=self._scenes.rename(now))
