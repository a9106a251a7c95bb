"""Which of the model's classes a sender means."""

from __future__ import annotations

from collections.abc import Sequence

_MEANINGS: dict[str, tuple[str, ...]] = {
    "human": ("person", "pedestrian"),
    "pedestrian": ("person",),
    "people": ("person",),
    "person": ("human", "pedestrian"),
    "vehicle": ("car",),
    "bike": ("bicycle",),
    "motorbike": ("motorcycle",),
    "motorcycle": ("motorbike",),
    "lorry": ("truck",),
    "van": ("car",),
    "aeroplane": ("airplane",),
    "humanface": ("face",),
    "face": ("humanface",),
    "licenseplate": ("license plate", "licence plate", "number plate"),
}
"""By what a sender says, without spaces and in small letters: what else the model may call it."""
_REMEMBERED = 1000


class Classes:
    """Finds the class ids of what senders say.

    Args:
        names: The model's classes by id.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._ids = {_plain(name): index for index, name in reversed(list(enumerate(names)))}
        self._found: dict[str, int | None] = {}

    def id_of(self, label: str) -> int | None:
        """The id of a class; None if the model has none that fits."""
        if label in self._found:
            return self._found[label]
        words = (label, *_MEANINGS.get(_plain(label), ()))
        found = next((self._ids[word] for word in map(_plain, words) if word in self._ids), None)
        if len(self._found) < _REMEMBERED:  # labels are a stranger's
            self._found[label] = found
        return found


def _plain(name: str) -> str:
    return "".join(name.lower().replace("_", " ").replace("-", " ").split())
