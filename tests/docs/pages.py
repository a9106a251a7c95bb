"""The project's pages, taken apart: their links, their anchors and their code blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import REPO

DOCS = REPO / "docs"
_FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^)>\s]+)>?\)")
_CODE = re.compile(r"``.+?``|`[^`\n]+`")


@dataclass(frozen=True)
class Block:
    """A fenced code block: its language, its text, and the page and line where it begins."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPO)}:{self.line}"


def pages() -> list[Path]:
    """Every page that people read: those of the site, those at the top of the repository, and of examples."""
    return [*sorted(DOCS.rglob("*.md")), *sorted(REPO.glob("*.md")), *sorted(REPO.glob("examples/*.md"))]


def blocks(page: Path, language: str | None = None) -> Iterator[Block]:
    """The code blocks of a page, in one language or in all."""
    text = page.read_text()
    for found in _FENCE.finditer(text):
        spoken = found[2].split()[0] if found[2].split() else ""
        if language is None or spoken == language:
            indent = found[1]
            body = "".join(line.removeprefix(indent) for line in found[3].splitlines(keepends=True))
            yield Block(page, text.count("\n", 0, found.start()) + 1, spoken, body)


def prose(page: Path) -> str:
    """The text of a page without its code blocks."""
    return _FENCE.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """The targets of all links and pictures of a page, as they are written."""
    return _LINK.findall(_CODE.sub("code", prose(page)))


def anchors(page: Path) -> set[str]:
    """What a link may name after "#": the headings, as both the site and a forge turn them into anchors."""
    return {anchor(heading) for heading in _HEADING.findall(prose(page))}


def anchor(heading: str) -> str:
    """The anchor of one heading: lower case, hyphens for spaces, and no punctuation."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")
