"""Every link of the documentation leads somewhere, both in the repository and on the site made from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.docs.pages import DOCS, anchor, anchors, links, pages

PAGES = [pytest.param(page, id=str(page.relative_to(REPO))) for page in pages()]


def broken(page: Path, target: str) -> str | None:
    """What is wrong with a link from a page; None when nothing is."""
    if target.startswith(("https://", "http://", "mailto:")):
        return None
    path, _, fragment = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.exists():
        return f"{target}: there is no such file"
    if page.is_relative_to(DOCS) and not file.is_relative_to(DOCS):
        return f"{target}: lies outside docs/, so that the site does not have it"
    if page.is_relative_to(DOCS) and file.is_dir():
        return f"{target}: is a folder, which the site cannot show"
    if fragment and fragment not in anchors(file):
        return f"{target}: the page has no such heading"
    return None


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page: Path) -> None:
    wrong = [problem for target in links(page) if (problem := broken(page, target))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        pytest.param("nowhere.md", "no such file", id="a page that is not there"),
        pytest.param("reference/wire.md#nothing", "no such heading", id="a heading that is not there"),
        pytest.param("../LICENSE", "outside docs", id="a file that the site lacks"),
        pytest.param("schemas", "folder", id="a folder"),
    ],
)
def test_a_broken_link_is_noticed(target: str, says: str) -> None:
    assert says in str(broken(DOCS / "index.md", target))


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("What is promised", "what-is-promised"),
        ("MQTT 3.1.1", "mqtt-311"),
        ("`camera_status`", "camera_status"),
        ("Decoding, INT8, input sizes", "decoding-int8-input-sizes"),
    ],
)
def test_a_heading_becomes_the_anchor_that_a_forge_makes_of_it(heading: str, expected: str) -> None:
    assert anchor(heading) == expected
