"""The calendar of a node: as configured, or as saved over MQTT since."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edge_node.config.saved.versioned import Versioned, VersionedStore, hash_of
from shared.definitions.calendar import refuse_nonsense
from shared.storage.state_file import StateFile
from shared.wire.messages import CalendarDefinition


@dataclass(frozen=True, kw_only=True)
class SavedCalendar(Versioned):
    """The calendar, and what it goes back to."""

    calendar: CalendarDefinition = field(default_factory=CalendarDefinition)


class CalendarStore(VersionedStore[SavedCalendar]):
    """The calendar of a node.

    Args:
        path: The file that keeps it; None keeps it until the node stops.
        configured: The configuration's calendar.
    """

    def __init__(self, path: Path | None, configured: CalendarDefinition) -> None:
        file = StateFile(
            path,
            SavedCalendar,
            "the configuration's calendar is used",
            check=lambda found: refuse_nonsense(found.calendar),
        )
        super().__init__(file, _configured(configured), "calendar")

    def save(self, calendar: CalendarDefinition, replacing: int) -> SavedCalendar:
        """Replace the calendar, and keep the new one.

        Args:
            calendar: The whole calendar.
            replacing: The version that the author of the change started from.

        Raises:
            ConflictError: `replacing` is not the current version; nothing was changed.
            OutputError: The file cannot be written; nothing was changed.
            ConfigError: The calendar cannot be followed.
        """
        refuse_nonsense(calendar)
        return self._save(SavedCalendar(calendar=calendar), replacing)

    def configure(self, calendar: CalendarDefinition) -> bool:
        """Use a configuration's calendar if the configuration has changed it; whether that is so."""
        return self._configure(_configured(calendar))


def _configured(calendar: CalendarDefinition) -> SavedCalendar:
    return SavedCalendar(calendar=calendar, configured=hash_of(calendar))
