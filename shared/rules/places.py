"""Which rules look at what, so that an event reaches only those to which it matters."""

from __future__ import annotations

from collections.abc import Iterable

from shared.rules.rule import Key, Rule

_PLACES = 4096
"""Places for which the rules are looked up once. Events of a stranger's history may name any."""


class Place:
    """The rules that look at one place.

    Args:
        zone: A zone or line; None: what happens at neither.
        rules: All rules on its camera.

    Attributes:
        stays: Those about stays in it.
        levels: Those about its occupancy.
        level: What these are about.
        moments: Those about events, by type of the event.
    """

    __slots__ = ("level", "levels", "moments", "stays")

    def __init__(self, zone: str | None, rules: Iterable[Rule]) -> None:
        here = [rule for rule in rules if rule.looks_at(zone)]
        self.stays = tuple(rule for rule in here if rule.when.trigger == "stay")
        self.levels = tuple(rule for rule in here if rule.when.trigger == "occupancy")
        self.level: Key = (zone or "", 0)
        self.moments: dict[str, tuple[Rule, ...]] = {}
        for rule in here:
            for kind in dict.fromkeys(rule.when.events) if rule.of_moments else ():
                self.moments[kind] = (*self.moments.get(kind, ()), rule)


class Places(dict[str | None, Place]):
    """The rules of one camera, by the zone or line at which they look.

    Args:
        rules: The rules, in their order.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        super().__init__()
        self._rules = tuple(rules)

    def __missing__(self, zone: str | None) -> Place:
        if len(self) >= _PLACES:
            self.clear()
        place = self[zone] = Place(zone, self._rules)
        return place
