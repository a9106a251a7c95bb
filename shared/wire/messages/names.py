"""Names for people: what a node, camera, zone or line is called, beside the identifier that topics have."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from shared import limits

# Controls of C0 and C1, ends of lines, and what overrides or embeds a direction of writing: a name with one
# of the latter could turn round the text behind it. Single marks, which right-to-left languages need, stay.
_REFUSED = "\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\ufff9-\\ufffb\\ufeff"
_UNFIT = re.compile(f"[{_REFUSED}\ud800-\udfff]")
_BLANK = re.compile(
    "[\\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u2065\u206a-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]*"
)
"""Characters that show nothing."""

Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=limits.NAME_LENGTH,
        # For others; `tidy` says in words what is wrong.
        extra_json_schema={"pattern": f"^[^{_REFUSED}]*(?!\\n)$"},
    ),
]


def tidy(name: str | None, key: str = "name") -> str | None:
    """A name as it is published: in Unicode's composed form (NFC), without blanks at its ends.

    Args:
        name: As somebody gave it; None where there is none.
        key: What the name is called in errors.

    Raises:
        ValueError: It holds what no name may hold, shows nothing, or is too long in that form.
    """
    if name is None:
        return None
    if found := _UNFIT.search(name):
        raise ValueError(
            f"{key} holds the character U+{ord(found[0]):04X}: leave out control characters and those that "
            "turn the direction of writing"
        )
    composed = unicodedata.normalize("NFC", name).strip()
    if _BLANK.fullmatch(composed):
        raise ValueError(f"{key} {name!a} shows nothing: give it a letter, or leave {key} out")
    if len(composed) > limits.NAME_LENGTH:
        raise ValueError(f"{key} takes {len(composed)} characters: use at most {limits.NAME_LENGTH}")
    return composed


@dataclass(frozen=True, kw_only=True)
class Named:
    """Something that can have a name for people."""

    name: Annotated[
        Name | None,
        Meta(
            description="What people call it, in any language; null: its identifier. Two may have the same "
            "name. It has no control characters, and none that turn the direction of writing"
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.name is not None:
            object.__setattr__(self, "name", tidy(self.name))


_LATER = frozenset({"name", "presence", "schedule"})
"""Fields of definitions that the first version did not have."""


def as_before_names(definitions: Mapping[str, object]) -> dict[str, dict[str, Any]]:
    """Definitions as versions that knew no names, presence or schedules wrote them, where they use none."""
    return {
        key: {field: value for field, value in vars(one).items() if field not in _LATER or value is not None}
        for key, one in definitions.items()
    }
