"""The rules of a node: as configured, or as saved over MQTT since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from edge_node.config.saved.versioned import Versioned, VersionedStore, hash_of
from shared import limits
from shared.rules.texts import refuse_bad_texts, refuse_nonsense
from shared.storage.state_file import StateFile
from shared.wire.messages import Id, RuleDefinition


@dataclass(frozen=True, kw_only=True)
class SavedRules(Versioned):
    """The rules, by identifier, and what they go back to."""

    rules: Annotated[dict[Id, RuleDefinition], Meta(max_length=limits.RULES)] = field(default_factory=dict)


class RuleStore(VersionedStore[SavedRules]):
    """The rules of a node.

    Args:
        path: The file that keeps them; None keeps them until the node stops.
        configured: The configuration's rules.
    """

    def __init__(self, path: Path | None, configured: Mapping[str, RuleDefinition]) -> None:
        file = StateFile(
            path,
            SavedRules,
            "the configuration's rules are used",
            check=lambda found: refuse_bad_texts(found.rules),
        )
        super().__init__(file, _configured(configured), "rules")

    def save(self, rules: Mapping[str, RuleDefinition], replacing: int) -> SavedRules:
        """Replace the rules, and keep the new ones.

        Args:
            rules: All rules.
            replacing: The version that the author of the change started from.

        Raises:
            ConflictError: `replacing` is not the current version; nothing was changed.
            OutputError: The file cannot be written; nothing was changed.
            ConfigError: A text cannot be filled in, or they do not fit a message.
        """
        refuse_nonsense(rules)
        return self._save(SavedRules(rules=dict(rules)), replacing)

    def configure(self, rules: Mapping[str, RuleDefinition]) -> bool:
        """Use a configuration's rules, if they are not those of the last time; whether they are not."""
        return self._configure(_configured(rules))


def _configured(rules: Mapping[str, RuleDefinition]) -> SavedRules:
    return SavedRules(rules=dict(rules), configured=hash_of(rules))
