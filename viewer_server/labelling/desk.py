"""Where people decide about the pictures of a folder, one at a time, in any number of windows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from shared.collected import ANNOTATIONS
from shared.errors import ConfigError
from shared.limits import clipped
from shared.pictures import Header, read_header, refusal
from shared.wire.messages import now_us
from viewer_server.labelling import boxes, said
from viewer_server.labelling.boxes import Box
from viewer_server.labelling.catalogue import SUFFIXES, About, Catalogue
from viewer_server.labelling.coco import Annotations, Entry, State
from viewer_server.labelling.gallery import Gallery, Missing, Unreadable
from viewer_server.labelling.listing import listed, progress
from viewer_server.labelling.lock import lock


class Gone(Exception):  # noqa: N818 - an answer, not a failure
    """There is no such picture; the text says so."""


class Changed(Exception):  # noqa: N818 - an answer, not a failure
    """Somebody else has decided about the picture meanwhile; nothing was saved."""


class Senseless(Exception):  # noqa: N818 - an answer, not a failure
    """What was decided cannot be; the text says why."""


class Desk:
    """The pictures of a folder, and what is decided about them.

    Args:
        folder: With pictures, in folders of their own or not. `annotations.json` is written there.
        clock: Microseconds since 1970 UTC.

    Raises:
        ConfigError: There is no such folder, somebody else labels it, or its annotations cannot be used.
    """

    def __init__(self, folder: Path, clock: Callable[[], int] = now_us) -> None:
        self.folder = folder
        self._clock = clock
        self._turn = threading.Lock()
        self._catalogue = Catalogue(folder)
        self._gallery = Gallery(folder)
        self._annotations = Annotations(folder / ANNOTATIONS)
        self._deleted: tuple[str, Entry | None] | None = None
        self._locked = lock(folder)
        try:
            self._gallery.empty()
            self._annotations.refresh()
            self._check_names()
        except (ConfigError, OSError) as error:
            self.close()
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"{folder}: cannot be used ({error.strerror})") from None

    def close(self) -> None:
        """Let others label the folder."""
        self._locked.close()

    def _check_names(self) -> None:
        """Refuse annotations whose names lead elsewhere: new ones beside them would spoil the file."""
        names = list(self._annotations.entries)
        if names and not any((self.folder / name).is_file() for name in names):
            raise ConfigError(
                f"{self._annotations.path}: none of the pictures that it names, such as {names[0]!r}, is in "
                f"{self.folder}; label the folder that holds them, or move the file away"
            )

    def listed(self, query: said.LabelQuery) -> said.LabelList:
        """Pictures that a query fits, from one place of the list on.

        Raises:
            ConfigError: The annotations cannot be used.
            OSError: The folder cannot be read.
        """
        contents = self._catalogue.contents()
        with self._turn:
            self._annotations.refresh()
            entries, categories = self._annotations.entries, list(self._annotations.categories.values())
        return listed(contents, entries, categories, query)

    def picture(self, name: str) -> said.LabelPicture:
        """A picture with its boxes.

        Raises:
            Gone: There is no such picture.
            ConfigError: The annotations cannot be used.
        """
        self._check(name)
        proposal = self._gallery.proposal(name)
        header, problem = self._header(name)
        with self._turn:
            self._annotations.refresh()
            entry = self._annotations.entries.get(name)
            image, rows = self._annotations.fields(name)
        decided = [box for _, box in self._decided(image, rows, header)]
        shown = decided if entry else boxes.proposed(proposal)
        return said.LabelPicture(
            name=name,
            version=entry.version if entry else "",
            state=entry.state if entry else None,
            width=header.width if header else None,
            height=header.height if header else None,
            problem=problem,
            boxes=[said.LabelBox(label=b.label, box=b.corners, score=b.score, id=b.id) for b in shown],
            camera=proposal.camera if proposal else None,
            captured_us=proposal.captured_us if proposal else None,
            reasons=list(proposal.reasons) if proposal else [],
            light=proposal.light if proposal else None,
            model=proposal.model.name if proposal else None,
        )

    def image(self, name: str) -> tuple[bytes, str]:
        """A picture's file and its media type.

        Raises:
            Gone: There is no such picture, or it cannot be shown.
        """
        self._check(name)
        try:
            data = self._gallery.read(name)
        except Unreadable as reason:
            raise Gone(str(reason)) from None
        if why := refusal(data):
            raise Gone(f"{name}: {why}")
        return data, SUFFIXES[Path(name).suffix.lower()]

    def decide(self, decision: said.LabelDecision) -> said.LabelSaved:
        """Write what is in a picture.

        Raises:
            Gone: There is no such picture.
            Changed: It was decided meanwhile.
            Senseless: The boxes cannot be.
            ConfigError: The annotations cannot be used.
            OSError: They cannot be written.
        """
        name = decision.name
        about = self._check(name)
        proposal = self._gallery.proposal(name)
        with self._turn:  # from here on, so that nobody deletes it meanwhile
            header = self._fitting(name, decision.size)
            self._annotations.refresh()
            self._expect(name, decision.version)
            image, rows = self._annotations.fields(name)
            pairs = self._decided(image, rows, header)
            shown = [box for _, box in pairs]
            wanted = _checked(decision, shown)
            state = _state(wanted, shown, boxes.proposed(proposal), self._annotations.entries.get(name))
            same = (image.get("width"), image.get("height")) == decision.size
            image |= {"width": decision.size[0], "height": decision.size[1]}
            if about.group and "group" not in image:
                image["group"] = about.group
            made = boxes.rows_of(wanted, rows, pairs, decision.size, same_size=same)
            entry = self._annotations.put(name, image, made, state, at_us=self._clock())
        return self._saved(entry)

    def delete(self, deletion: said.LabelDeletion) -> said.LabelSaved:
        """Take a picture away; `restore` brings back the last one.

        Raises:
            Gone: There is no such picture.
            Changed: It was decided meanwhile.
            ConfigError: The annotations cannot be used.
            OSError: It cannot be moved, or the annotations not be written.
        """
        name = deletion.name
        self._check(name)
        with self._turn:
            self._annotations.refresh()
            self._expect(name, deletion.version)
            entry = self._annotations.drop(name)
            try:
                self._deleted = None
                self._gallery.put_aside(name)
            except OSError:
                if entry is not None:
                    self._annotations.bring_back(name, entry)
                raise
            self._catalogue.take_out(name)
            self._deleted = name, entry
        return self._saved(None)

    def restore(self, name: str) -> said.LabelSaved:
        """Bring back the picture that was deleted last.

        Raises:
            Gone: Another one was deleted since, or none.
            ConfigError: The annotations cannot be used.
            OSError: It cannot be moved, or the annotations not be written.
        """
        with self._turn:
            if self._deleted is None or self._deleted[0] != name:
                raise Gone(f"{name} was not the last one to be deleted, so it is gone")
            entry = self._deleted[1]
            self._annotations.refresh()
            self._gallery.bring_back(name)
            self._deleted = None
            if entry is not None:
                self._annotations.bring_back(name, entry)
        self._catalogue.contents()
        return self._saved(entry)

    def _saved(self, entry: Entry | None) -> said.LabelSaved:
        return said.LabelSaved(
            state=entry.state if entry else None,
            version=entry.version if entry else "",
            progress=progress(self._catalogue.known, self._annotations.entries),
        )

    def _check(self, name: str) -> About:
        about = self._catalogue.about(name)
        if about is None:
            raise Gone(f"there is no picture {clipped(name, 200)!r} any more")
        return about

    def _expect(self, name: str, version: str) -> None:
        entry = self._annotations.entries.get(name)
        if version != (entry.version if entry else ""):
            raise Changed(f"somebody else has decided about {name} meanwhile; nothing was saved")

    def _header(self, name: str) -> tuple[Header | None, str | None]:
        """The picture's header; else why it cannot be shown."""
        try:
            data = self._gallery.read(name)
        except Missing as reason:
            self._catalogue.take_out(name)
            raise Gone(str(reason)) from None
        except Unreadable as reason:
            return None, clipped(str(reason))
        if why := refusal(data):
            return None, clipped(f"{name}: {why}")
        return read_header(data), None

    def _fitting(self, name: str, size: tuple[int, int]) -> Header:
        """The picture's header, if the picture can be shown and has this size."""
        header, problem = self._header(name)
        if header is None:
            raise Senseless(f"{problem}; delete it, or pass over it")
        if sorted(size) != sorted((header.width, header.height)):
            raise Senseless(
                f"{name} has {header.width} x {header.height} pixels and not {size[0]} x {size[1]}: "
                "load the page again"
            )
        return header

    def _decided(
        self, image: boxes.Row, rows: Sequence[boxes.Row], header: Header | None
    ) -> list[tuple[boxes.Row, Box]]:
        """The boxes that the annotations have of a picture, whose size they may state."""
        width, height = _side(image.get("width")), _side(image.get("height"))
        if not (width and height) and header:
            width, height = header.width, header.height
        return boxes.annotated(rows, self._annotations.categories, width, height)


def _side(value: object) -> float:
    """A side that a file states, in pixels; 0 where it states none that can be."""
    return float(value) if isinstance(value, (int, float)) and 1 <= value < 1e6 else 0.0


def _state(wanted: list[Box], shown: list[Box], proposed: list[Box], before: Entry | None) -> State:
    if not wanted:
        return "empty"
    if before is not None and boxes.are_same(wanted, shown):
        return "accepted" if before.state == "annotated" else before.state
    return "accepted" if boxes.are_same(wanted, proposed) else "corrected"


def _checked(decision: said.LabelDecision, shown: list[Box]) -> list[Box]:
    """The boxes of a decision; those that another tool wrote may be any, as long as they stay as they are."""
    kept = {(box.label, box.corners) for box in shown}
    wanted = []
    for number, one in enumerate(decision.boxes, 1):
        label = one.label if (one.label, one.box) in kept else one.label.strip()
        if (label, one.box) not in kept:
            _check_drawn(f"box {number}", label, one.box, decision.size)
        wanted.append(Box(label, one.box, one.score, one.id))
    return wanted


def _check_drawn(which: str, label: str, corners: boxes.Corners, size: tuple[int, int]) -> None:
    if not label or not label.isprintable():
        raise Senseless(f"{which}: its class {label!r} is no name; give it one that can be read")
    left, top, right, bottom = corners
    if (right - left) * size[0] < 1 or (bottom - top) * size[1] < 1:
        raise Senseless(f"{which} ({label}): is narrower or lower than one pixel; draw it larger")
