"""XML from strangers: parsed without document types or entities, and within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

MAX_BYTES = 512 * 1024
"""Longest document, bytes. A camera's list of 64 profiles takes about 100 kB."""
MAX_DEPTH = 32
MAX_ELEMENTS = 20_000


class MarkupError(ValueError):
    """A document that is not well-formed XML, or is more than a camera has to say."""


@dataclass(slots=True)
class Element:
    """One element; names are without their namespaces, whose prefixes every maker chooses anew.

    Attributes:
        name: Its local name.
        attributes: By local name.
        text: The text directly inside, without blanks around it.
        children: The elements directly inside.
    """

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, name: str) -> Iterator[Element]:
        """Every element of this name below this one, in the order of the document."""
        for child in self.children:
            if child.name == name:
                yield child
            yield from child.all(name)

    def first(self, *path: str) -> Element | None:
        """The first element below this one that is reached by these names, each somewhere below the last."""
        if not path:
            return self
        return next((end for one in self.all(path[0]) if (end := one.first(*path[1:])) is not None), None)

    def read(self, *path: str) -> str:
        """The text of the first element that is reached by these names; empty where there is none."""
        found = self.first(*path)
        return "" if found is None else found.text


def parse(document: bytes) -> Element:
    """Read a document.

    Raises:
        MarkupError: It is not well-formed, has a document type, or is larger or deeper than allowed.
    """
    if len(document) > MAX_BYTES:
        raise MarkupError(f"its XML is longer than {MAX_BYTES} bytes")
    tree = _Tree()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = tree.refuse
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.characters
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, UnicodeError, LookupError, ValueError) as error:
        raise error if isinstance(error, MarkupError) else MarkupError("it is not XML") from None
    return tree.root


class _Tree:
    """Takes in what the parser reports."""

    def __init__(self) -> None:
        self.root = Element("")
        self._open = [self.root]
        self._count = 0

    def refuse(self, *_: object) -> None:
        """A document type could define entities, which grow without bound or name files."""
        raise MarkupError("its XML has a document type, which SOAP forbids")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self._count += 1
        if len(self._open) > MAX_DEPTH or self._count > MAX_ELEMENTS:
            raise MarkupError("its XML has too many elements")
        named = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        element = Element(name.rpartition(" ")[2], named)
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _name: str) -> None:
        """An element ends."""
        closed = self._open.pop()
        closed.text = closed.text.strip()

    def characters(self, text: str) -> None:
        """Text inside the open element."""
        self._open[-1].text += text
