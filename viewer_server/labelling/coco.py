"""`annotations.json`: what people decided, as COCO, written whole with each decision.

Source of the format: the "Data format" page of cocodataset.org. Each picture that somebody has looked at is
in `images`, with a field `darner` of our own: what was decided, and when. Everything else that stands in the
file, such as outlines, licences or pictures that are not here, is kept as it is. Rows stay encoded, so that a
decision costs the writing of the file and little more.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from shared.errors import ConfigError
from shared.files import write_whole

BYTES = 400_000_000
"""The largest file that is read."""
CLASSES = 1000
State = Literal["accepted", "corrected", "empty", "annotated"]
"""What became of a picture; "annotated": a person or program without this page said what is in it."""
STATES: tuple[State, ...] = get_args(State)
_BETWEEN = b",\n"
_Id = int | str
_Stamp = tuple[int, int, int]


class _Image(msgspec.Struct):
    id: _Id
    file_name: str
    darner: Any = None


class _Object(msgspec.Struct):
    image_id: _Id


class _Category(msgspec.Struct):
    id: _Id
    name: str


class _File(msgspec.Struct):
    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw] = []
    categories: list[msgspec.Raw] = []


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

    id: _Id
    image: bytes
    objects: bytes
    state: State
    kinds: tuple[_Id, ...] = ()

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
        self._stamp: _Stamp | None = None
        self.entries: dict[str, Entry] = {}
        self.categories: dict[_Id, str] = {}
        self._category_rows: dict[_Id, bytes] = {}
        self._rest: dict[str, msgspec.Raw] = {}
        self._loose_images: list[bytes] = []
        self._loose_objects: list[bytes] = []
        self._added: set[_Id] = set()
        self._dropped: tuple[_Id, ...] = ()
        self._next_image = 1
        self._next_object = 1

    def refresh(self) -> None:
        """Read the file again if somebody else has written it.

        Raises:
            ConfigError: It is no COCO file, or cannot be read.
        """
        stamp = self._seen()
        if stamp == self._stamp:
            return
        if stamp is None:
            self._take(b'{"images": []}')
        else:
            self._take(self._read())
        self._stamp = stamp

    def _seen(self) -> _Stamp | None:
        try:
            about = self.path.lstat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be read ({error.strerror})") from None
        if not stat.S_ISREG(about.st_mode):
            raise ConfigError(f"{self.path}: is no regular file; put the file itself there")
        return about.st_ino, about.st_size, about.st_mtime_ns

    def _read(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                content = file.read(BYTES + 1)
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be read ({error.strerror})") from None
        if len(content) > BYTES:
            raise ConfigError(
                f"{self.path}: has more than {BYTES // 10**6} MB; split the pictures into several folders"
            )
        return content

    def _take(self, content: bytes) -> None:
        try:
            rest = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
            file = msgspec.json.decode(content, type=_File)
            images = [(msgspec.json.decode(row, type=_Image), bytes(row)) for row in file.images]
            objects = [
                (msgspec.json.decode(row, type=_Object).image_id, bytes(row)) for row in file.annotations
            ]
            rows = [(msgspec.json.decode(row, type=_Category), bytes(row)) for row in file.categories]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigError(
                f"{self.path}: is not a COCO annotation file ({error}); mend it, or move it "
                "away to begin anew"
            ) from None
        self._rest = {
            name: msgspec.Raw(bytes(value))
            for name, value in rest.items()
            if name not in ("images", "annotations", "categories")
        }
        self.categories = {one.id: one.name for one, _ in rows}
        self._category_rows = {one.id: row for one, row in rows}
        by_image: dict[_Id, list[bytes]] = {one.id: [] for one, _ in images}
        self._loose_images, self._loose_objects, self.entries = [], [], {}
        self._added = set()
        for image_id, row in objects:
            by_image.get(image_id, self._loose_objects).append(row)
        for one, row in images:
            if one.file_name in self.entries:  # a second row of one picture: nobody's to edit
                self._loose_images.append(row)
                self._loose_objects += by_image.pop(one.id, [])
                continue
            self.entries[one.file_name] = Entry(
                one.id, row, _BETWEEN.join(by_image.pop(one.id, ())), _decided(one.darner)
            )
        self._next_image = 1 + max((one.id for one, _ in images if isinstance(one.id, int)), default=0)
        self._next_object = 1 + max(
            (known for row in file.annotations if isinstance(known := _id_of(row), int)), default=0
        )

    def fields(self, name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """A picture's row, and the rows of its objects; empty for one that the file does not name."""
        entry = self.entries.get(name)
        if entry is None:
            return {}, []
        return msgspec.json.decode(entry.image), msgspec.json.decode(b"[%s]" % entry.objects)

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
            image_id: _Id = self._next_image
            self._next_image += 1
        else:
            image_id = before.id
        kept = image.get("darner")
        mark = (kept if isinstance(kept, dict) else {}) | {"state": state, "decided_us": at_us}
        row = {"id": image_id, "file_name": name} | dict(image) | {"id": image_id, "darner": mark}
        had = dict(self.categories), dict(self._category_rows), set(self._added), self._next_object
        try:
            rows = [self._object(one, image_id) for one in objects]
            kinds = tuple({one["category_id"] for one in rows})
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

    def _object(self, given: Mapping[str, Any], image_id: _Id) -> dict[str, Any]:
        row = dict(given)
        label = row.pop("category")
        if "id" not in row:
            row = {"id": self._next_object, **row}
            self._next_object += 1
        category = row.get("category_id") if label is None else self._category(label)
        return row | {"image_id": image_id, "category_id": category}

    def _category(self, name: str) -> _Id:
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
        self._stamp = self._seen()


def _decided(mark: Any) -> State:
    """The state in a row's field `darner`."""
    state = mark.get("state") if isinstance(mark, dict) else None
    return state if state in STATES else "annotated"


def _encoded(value: object) -> bytes:
    """Not with orjson, which refuses whole numbers of more than 64 bits; foreign fields may have them."""
    return json.dumps(value).encode()


def _id_of(row: msgspec.Raw) -> object:
    return msgspec.json.decode(row, type=_WithId).id


class _WithId(msgspec.Struct):
    id: Any = None
