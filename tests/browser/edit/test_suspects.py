"""Things that never move, in real Chromium: the page asks about each; a click masks it or calls it real."""

from __future__ import annotations

from playwright.sync_api import expect

from shared.wire.messages import LineDefinition, MaskDefinition
from tests.browser.answering import AnsweringEdge
from tests.browser.conftest import OpenPage
from tests.browser.edit.editing import EDIT, button, open_camera
from tests.viewer_server.fake_edge import suspect
from tests.viewer_server.process import ViewerProcess

CLICK_TWICE = """async (button) => {
    const question = button.closest(".question");
    const before = question.innerText;
    button.focus();
    button.click();
    while (question.innerText === before) await new Promise(requestAnimationFrame);
    await new Promise((later) => setTimeout(later, 200));
    button.click();
    await new Promise((later) => setTimeout(later, 200));
}"""
"""Clicks, and once more soon after something else is asked."""
SKY = ((0.1, 0.05), (0.9, 0.05), (0.9, 0.4), (0.1, 0.4))


def test_a_suspect_is_asked_about_and_one_click_makes_a_mask_of_it(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    taken = LineDefinition(points=((0.1, 0.1), (0.9, 0.1)))
    edge.begin(lines={"traffic-light": taken})
    edge.suspect(suspect(), suspect("b2", "kite"), suspect("c3", "tree"))
    page = open_camera(open_page, viewer, edge)
    ask = page.get_by_role("group", name="Something that never moves")
    expect(ask).to_contain_text("Something that never moves: traffic light, for 5.0 h. Never report it here?")
    expect(ask).to_contain_text("Found in 96 % of the pictures, score 43 %. One of 3.")
    expect(ask.get_by_role("img", name="What is taken for: traffic light")).to_be_visible()
    button(page, "Ignore here").click()
    expect(page.locator(".answered")).to_contain_text("Mask traffic-light-2 is saved as version 2")
    saved = edge.store["yard"].masks["traffic-light-2"]
    assert saved == MaskDefinition(polygon=suspect().polygon, classes=("traffic light",))
    assert edge.store["yard"].lines == {"traffic-light": taken}
    expect(ask).to_contain_text("kite, for 5.0 h")
    button(page, EDIT).click()
    expect(ask).to_be_hidden()  # while somebody draws
    button(page, "Cancel").click()
    button(page, "It is real").evaluate(CLICK_TWICE)  # the second click is not for the next question
    expect(page.locator(".answered")).to_contain_text("The kite there counts as real from now on.")
    expect(ask).to_contain_text("tree, for 5.0 h")
    button(page, "It is real").click()
    expect(ask).to_be_hidden()
    expect(page.locator(".answered")).to_be_focused()
    assert [one.id for one in edge.open] == ["a1"]


def test_a_suspect_that_cannot_be_masked_says_why_and_is_masked_although_somebody_else_saves(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    edge.begin()
    edge.suspect(suspect(label="kite"))
    edge.refusal = "the disk is full"
    page = open_camera(open_page, viewer, edge, expect_errors=True)
    button(page, "Ignore here").click()
    expect(page.locator(".answered")).to_have_text("Not done: the disk is full")
    edge.open, edge.refusal = (), None  # the node has forgotten it
    button(page, "It is real").click()
    expect(page.locator(".answered")).to_have_text("Not done: camera 'yard' has no suspect 'a1'")
    theirs = {"sky": MaskDefinition(polygon=SKY)}
    edge.store.save("yard", {}, {}, 1, theirs)  # its message is late
    page.on("response", lambda answer: edge.publish_zones() if answer.status == 409 else None)
    button(page, "Ignore here").click()
    expect(page.locator(".answered")).to_contain_text("Mask kite is saved as version 3")
    assert edge.store["yard"].masks.keys() == {"sky", "kite"}
    page.get_by_role("link", name="All cameras").click()
    brief = page.get_by_role("link", name="Something here never moves: tree?")
    edge.suspect(suspect("c3", "tree"))
    expect(brief).to_be_visible()
    edge.suspect()
    expect(brief).to_be_hidden()


def test_two_people_who_ignore_the_same_thing_make_one_mask(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    edge.begin()
    kite, tree = suspect(label="kite"), suspect("b2", "tree")
    edge.suspect(kite, tree)
    page = open_camera(open_page, viewer, edge, expect_errors=True)
    question = page.get_by_role("group", name="Something that never moves")
    theirs = {"kite": MaskDefinition(polygon=kite.polygon, classes=("kite",))}
    edge.store.save("yard", {}, {}, 1, theirs)  # its message is late
    page.on("response", lambda answer: edge.publish_zones() if answer.status == 409 else None)
    button(page, "Ignore here").click()
    expect(page.locator(".answered")).to_have_text(
        "Somebody else has masked it already: kite is not reported there. Delete the mask kite to undo it."
    )
    assert (edge.store["yard"].version, list(edge.store["yard"].masks)) == (2, ["kite"])
    expect(question).to_contain_text("Something that never moves: tree")
    edge.save({}, {}, theirs | {"all": MaskDefinition(polygon=tree.polygon)})
    expect(question).to_be_hidden()  # the node has not taken it back yet
