"""`annotations.json`: what people decided, as COCO, written whole with each decision.

Source of the format: the "Data format" page of cocodataset.org. Each picture that somebody has looked at is
in `images`, with a field `darner` of our own: what was decided, and when. Everything else that stands in the
file, such as outlines, licences or pictures that are not here, is kept as it is. Rows stay encoded, so that a
decision costs the writing of the file and little more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from shared import typed
from shared.errors import ConfigError
from shared.files import write_whole
from viewer_server.labelling.coco_file import NOT_JSON, Id, Stamp, content_of, parsed, stamp_of, unusable

CLASSES = 1000
State = Literal["accepted", "corrected", "empty", "annotated"]
"""What became of a picture; "annotated": a person or program without this page said what is in it."""
STATES: tuple[State, ...] = get_args(State)
_BETWEEN = b",\n"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the file says of one picture.

    Attributes:
        id: Of the picture.
        image: Its row of `images`, encoded.
        objects: Its rows of `annotations`, encoded, with commas between them.
        state: What was decided.
        kinds: Categories of its objects, where they were written here.
    """

    id: Id
    image: bytes
    objects: bytes
    state: State
    kinds: tuple[Id, ...] = ()

    @property
    def version(self) -> str:
        """Changes with anything that the file says of the picture, whoever has written it."""
        return hashlib.blake2b(self.image + b"\n" + self.objects, digest_size=9).hexdigest()


class Annotations:
    """The file's content, which changes as a whole.

    Args:
        path: The file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: Stamp | None = None
        self.entries: dict[str, Entry] = {}
        self.categories: dict[Id, str] = {}
        self._category_rows: dict[Id, bytes] = {}
        self._rest: dict[str, msgspec.Raw] = {}
        self._loose_images: list[bytes] = []
        self._loose_objects: list[bytes] = []
        self._added: set[Id] = set()
        self._dropped: tuple[Id, ...] = ()
        self._next_image = 1
        self._next_object = 1

    def refresh(self) -> None:
        """Read the file again if somebody else has written it.

        Raises:
            ConfigError: It is no COCO file, or cannot be read.
        """
        stamp = stamp_of(self.path)
        if stamp == self._stamp:
            return
        if stamp is None:
            self._take(b'{"images": []}')
        else:
            self._take(content_of(self.path))
        self._stamp = stamp

    def _take(self, content: bytes) -> None:
        found = parsed(content, self.path)
        self._rest = found.rest
        self.categories = {one.id: one.name for one, _ in found.categories}
        self._category_rows = {one.id: row for one, row in found.categories}
        by_image: dict[Id, list[bytes]] = {one.id: [] for one, _ in found.images}
        self._loose_images, self._loose_objects, self.entries = [], [], {}
        self._added = set()
        for image_id, row in found.objects:
            by_image.get(image_id, self._loose_objects).append(row)
        for one, row in found.images:
            if one.file_name in self.entries:  # a second row of one picture: nobody's to edit
                self._loose_images.append(row)
                self._loose_objects += by_image.pop(one.id, [])
                continue
            self.entries[one.file_name] = Entry(
                one.id, row, _BETWEEN.join(by_image.pop(one.id, ())), _decided(one.darner)
            )
        # Never lower than before: a deleted picture that is brought back has its numbers still.
        self._next_image = max(
            [self._next_image, *(one.id + 1 for one, _ in found.images if isinstance(one.id, int))]
        )
        self._next_object = max(
            [self._next_object, *(one + 1 for one in found.object_ids if isinstance(one, int))]
        )

    def fields(self, name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """A picture's row, and the rows of its objects; empty for one that the file does not name.

        Raises:
            ConfigError: They hold what no program can read, such as a number that is too large.
        """
        entry = self.entries.get(name)
        if entry is None:
            return {}, []
        try:
            return typed.decode(entry.image, dict[str, Any]), typed.decode(
                b"[%s]" % entry.objects, list[dict[str, Any]]
            )
        except NOT_JSON as error:
            raise unusable(self.path, error) from None

    def put(
        self,
        name: str,
        image: Mapping[str, Any],
        objects: Sequence[Mapping[str, Any]],
        state: State,
        *,
        at_us: int,
    ) -> Entry:
        """Write what was decided about a picture.

        Args:
            name: The picture's file name, relative to the folder.
            image: Its row; the fields `id`, `file_name` and `darner` are filled in.
            objects: Rows of its objects, each with a `category`, the name of its class, or None to keep its
                class; `id`, `image_id` and `category_id` are filled in.
            state: What was decided.
            at_us: Microseconds since 1970 UTC.

        Raises:
            ConfigError: There are too many classes.
            OSError: The file cannot be written; nothing has changed.
        """
        before = self.entries.get(name)
        if before is None:
            image_id: Id = self._next_image
            self._next_image += 1
        else:
            image_id = before.id
        kept = image.get("darner")
        mark = (kept if isinstance(kept, dict) else {}) | {"state": state, "decided_us": at_us}
        row = {"id": image_id, "file_name": name} | dict(image) | {"id": image_id, "darner": mark}
        had = dict(self.categories), dict(self._category_rows), set(self._added), self._next_object
        try:
            rows = [self._object(one, image_id) for one in objects]
            kinds = tuple({kind for one in rows if isinstance(kind := one["category_id"], (int, str))})
            entry = Entry(image_id, _encoded(row), _BETWEEN.join(map(_encoded, rows)), state, kinds)
            self._save({**self.entries, name: entry})
        except (OSError, ConfigError):
            self.categories, self._category_rows, self._added, self._next_object = had
            raise
        return entry

    def drop(self, name: str) -> Entry | None:
        """Take a picture and its objects out of the file, and return what it said; None if it said nothing.

        Raises:
            OSError: The file cannot be written; nothing has changed.
        """
        entry = self.entries.get(name)
        if entry is not None:
            before, self._dropped = self._dropped, entry.kinds  # which `bring_back` needs
            try:
                self._save({one: other for one, other in self.entries.items() if one != name})
            except OSError:
                self._dropped = before
                raise
        return entry

    def bring_back(self, name: str, entry: Entry) -> None:
        """Put back what `drop` returned.

        Raises:
            OSError: The file cannot be written; nothing has changed.
        """
        if name not in self.entries:
            self._save({**self.entries, name: entry})

    def _object(self, given: Mapping[str, Any], image_id: Id) -> dict[str, Any]:
        row = dict(given)
        label = row.pop("category")
        if "id" not in row:
            row = {"id": self._next_object, **row}
            self._next_object += 1
        category = row.get("category_id") if label is None else self._category(label)
        return row | {"image_id": image_id, "category_id": category}

    def _category(self, name: str) -> Id:
        """The id of a class; a new one where there is none of this name."""
        for known, called in self.categories.items():
            if called == name:
                return known
        if len(self.categories) >= CLASSES:
            raise ConfigError(f"{self.path}: has {CLASSES} classes already; {name!r} would be one too many")
        new = 1 + max((one for one in self.categories if isinstance(one, int)), default=0)
        self.categories[new] = name
        self._category_rows[new] = _encoded({"id": new, "name": name})
        self._added.add(new)
        return new

    def _save(self, entries: dict[str, Entry]) -> None:
        if self._added:  # a class that was mistyped goes with its last object
            used = {kind for one in entries.values() for kind in one.kinds}
            for unused in self._added - used - set(self._dropped):
                self._added.discard(unused)
                self.categories.pop(unused, None)
                self._category_rows.pop(unused, None)
        images = [*self._loose_images, *(one.image for one in entries.values())]
        objects = [*self._loose_objects, *(one.objects for one in entries.values() if one.objects)]
        parts = [_encoded(name) + b": " + bytes(value) for name, value in self._rest.items()]
        for name, rows in (
            (b"images", images),
            (b"annotations", objects),
            (b"categories", list(self._category_rows.values())),
        ):
            parts.append(b'"%s": [\n%s\n]' % (name, _BETWEEN.join(rows)))
        write_whole(self.path, b"{" + b",\n".join(parts) + b"}\n")
        self.entries = entries
        self._stamp = stamp_of(self.path)


def _decided(mark: Any) -> State:
    """The state in a row's field `darner`."""
    state = mark.get("state") if isinstance(mark, dict) else None
    return state if state in STATES else "annotated"


def _encoded(value: object) -> bytes:
    """Not with orjson, which refuses whole numbers of more than 64 bits; foreign fields may have them."""
    return json.dumps(value).encode()
