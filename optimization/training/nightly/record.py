"""What a watch remembers from night to night, in one file beside the model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from optimization import files
from shared import typed
from shared.errors import ConfigError
from shared.files import set_aside

NIGHTS, REFUSED, SEEN = 90, 100, 20_000
"""The most nights, models that are not to come back, and pictures that are remembered."""
Verdict = Literal["written", "no better", "nothing new", "failed"]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True, kw_only=True)
class Night:
    """What came of one night.

    Attributes:
        at: When it began, as ISO 8601 writes it.
        verdict: In a word.
        why: In a sentence.
        pictures: How many there were.
        new: How many of them the last model has not seen.
        source: Who said what is in them: "labels", or the teacher.
        before: AP of the model that ran, on pictures kept back, 0..100; None: it did not come to that.
        after: AP of the new model there.
        seconds: How long it took.
        node: What the node said to the new model; None: it was not asked.
    """

    at: str
    verdict: Verdict
    why: str
    pictures: int = 0
    new: int = 0
    source: str = ""
    before: float | None = None
    after: float | None = None
    seconds: float = 0.0
    node: str | None = None


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model that a night made.

    Attributes:
        sha256: Of its file.
        weights: SHA-256 of its network without metadata, which name the time.
    """

    sha256: Hash
    weights: Hash


@dataclass(frozen=True, kw_only=True)
class Record:
    """All that is remembered.

    Attributes:
        schema: Always this.
        last: The model that was written last.
        asked: Whether the node has said what it makes of that model; else it is asked again.
        refused: Models that somebody went back from, or that the node did not take.
        seen: The pictures of the last night that came to a verdict, each with a short hash of its labels.
        nights: The newest last.
    """

    schema: Literal["darner/nights/1"] = "darner/nights/1"
    last: Model | None = None
    asked: bool = True
    refused: tuple[Model, ...] = ()
    seen: dict[str, str] = field(default_factory=dict)
    nights: tuple[Night, ...] = ()

    def refuse(self, model: Model) -> Record:
        """The record in which a model is one that is not to come back."""
        others = tuple(one for one in self.refused if one.weights != model.weights)
        return replace(self, refused=(*others, model)[-REFUSED:])

    def accept(self, sha256: str) -> Record:
        """The record in which a model may come back, because somebody has brought it back."""
        return replace(self, refused=tuple(one for one in self.refused if one.sha256 != sha256))

    def add(self, night: Night) -> Record:
        """The record with one more night."""
        return replace(self, nights=(*self.nights, night)[-NIGHTS:])

    def began(self) -> datetime | None:
        """When the last night began."""
        return datetime.fromisoformat(self.nights[-1].at) if self.nights else None


def place(out: Path) -> Path:
    """The file of the record of a model's nights."""
    return out.with_name(f"{out.name}.nights.json")


def read(out: Path) -> tuple[Record, str | None]:
    """The record of a model's nights; a new one where there is none.

    Returns:
        The record; and what became of a file that is damaged, in a sentence.

    Raises:
        ConfigError: The file is there and cannot be read.
    """
    path = place(out)
    try:
        found = typed.decode(path.read_bytes(), Record)
        found.began()
        return found, None
    except FileNotFoundError:
        return Record(), None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        return Record(), f"{path}: is no record of nights ({error}); {set_aside(path)}, and a new one begins"


def save(out: Path, record: Record) -> None:
    """Write the record; after a crash, the old one or the new one is there.

    Raises:
        ConfigError: The disk does not take it.
    """
    kept = dict(list(record.seen.items())[-SEEN:])
    document: Any = msgspec.to_builtins(replace(record, seen=kept))
    files.save(place(out), msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
