"""Rules are drawn up by choosing: with a fake node, over a history whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Dialog, Page, expect

from shared.wire import topics
from shared.wire.messages import Alert, Condition, RuleDefinition
from tests.browser.conftest import CheckPage, OpenPage
from tests.browser.lived import Past
from tests.conftest import Mosquitto, wait_until
from tests.viewer_server.api.rules_edge import RulesEdge
from tests.viewer_server.fake_edge import picture_of
from tests.viewer_server.process import ViewerProcess

EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"
STAY = RuleDefinition(when=Condition(trigger="stay", zones=("square",), for_s=60.0))
DESK = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "color_scheme": "dark"}


@pytest.fixture(scope="module")
def viewer(broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ViewerProcess]:
    folder = tmp_path_factory.mktemp("viewer")
    with Past(folder / "h.db") as past:
        past.days(0.5)
        for event in past.events:
            past.snapshot(event.track_id or 0)
    keys = f"history.path={folder / 'h.db'}", "mqtt.prefix=rules/v1"
    with ViewerProcess(broker.url, folder, *keys) as process:
        yield process


@pytest.fixture
def edge(broker: Mosquitto, viewer: ViewerProcess) -> Iterator[RulesEdge]:
    node = RulesEdge(broker.url, prefix="rules/v1")
    with node:
        node.begin(name="Shop")
        viewer.wait(nodes=1)
        yield node
        for topic in (topics.RULES, topics.CALENDAR, topics.INFO, topics.STATUS):
            node.client.set_state(topic, node.path(topic), b"")


def choose(page: Page, **chosen: str) -> None:
    """Choose by the controls' names, with blanks for underscores."""
    for name, value in chosen.items():
        page.get_by_label(name.replace("_", " ").capitalize(), exact=True).select_option(value)


def test_a_rule_is_chosen_tried_saved_and_kept_beside_what_others_saved(
    viewer: ViewerProcess, edge: RulesEdge, open_page: OpenPage, accessible: CheckPage
) -> None:
    page = open_page(f"{viewer.url}/rules", **DESK, expect_errors=True)  # Chromium reports the 409
    page.get_by_role("button", name="New rule").click()
    page.get_by_role("button", name="Somebody stays too long").click()
    choose(page, schedule="night", severity="critical")
    page.get_by_label("For over", exact=False).fill("20")
    page.get_by_role("button", name="What would it have done?").click()
    expect(page.locator("#past-said")).to_contain_text("alert")
    choose(page, schedule="")
    page.get_by_role("button", name="What would it have done?").click()
    expect(page.locator("#hits img").first).to_be_visible()
    assert page.locator("#hits img").first.evaluate(
        "(image) => image.decode().then(() => image.naturalWidth)"
    )
    expect(page.locator("#hits p").first).to_have_text("Person has been in Till on yard for 20 s")
    accessible(page)

    edge.save({"other": STAY})
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#said")).to_contain_text("Somebody else has saved")
    expect(page.locator('[data-rule="test/other"]')).to_be_visible()
    page.get_by_role("button", name="Save").click()
    saved = page.locator('[data-rule="test/square-stay"]')
    expect(saved.locator("p")).to_have_text(
        "When any person stays in Till for over 20 s on yard: tell all targets, at most every 5 min."
    )
    assert list(edge.rules) == ["other", "square-stay"]
    assert edge.rules["square-stay"] == RuleDefinition(
        when=Condition(trigger="stay", zones=("square",), classes=("person",), for_s=20.0),
        cameras=("yard",),
        severity="critical",
        cooldown_s=300.0,
    )


def test_changes_that_are_asked_for_quickly_come_one_after_the_other(
    viewer: ViewerProcess, edge: RulesEdge, open_page: OpenPage
) -> None:
    edge.takes_s = 0.3
    edge.save({"mine": STAY, "other": STAY})
    page = open_page(f"{viewer.url}/rules", **DESK)
    page.get_by_role("button", name="Turn off: mine").click()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete: other").click()
    wait_until(lambda: list(edge.rules) == ["mine"])
    assert not edge.rules["mine"].enabled
    expect(page.locator("#note")).to_have_text("Saved.")

    def somebody_is_faster(dialog: Dialog) -> None:
        edge.save({"mine": replace(STAY, text="Keep this")})
        wait_until(lambda: b"Keep this" in viewer.get("/api/v1/rules"))
        dialog.accept()

    page.once("dialog", somebody_is_faster)
    page.get_by_role("button", name="Delete: mine").click()
    expect(page.locator("#note")).to_contain_text("has been changed meanwhile")
    assert list(edge.rules) == ["mine"]


def test_an_open_rule_is_saved_beside_own_changes_though_its_node_is_no_longer_listed(
    viewer: ViewerProcess, edge: RulesEdge, open_page: OpenPage
) -> None:
    edge.save({"other": STAY})
    page = open_page(f"{viewer.url}/rules", **DESK)
    page.get_by_role("button", name="New rule").click()
    choose(page, camera="")
    page.get_by_role("button", name="What would it have done?").click()
    expect(page.locator("#hits img").first).to_be_visible()
    page.get_by_role("button", name="Turn off: other").click()
    expect(page.get_by_role("button", name="Turn on: other")).to_be_visible()
    nobody = {"nodes": [], "total": 1, "targets": [], "history": True}
    page.route("**/api/v1/rules?*", lambda route: route.fulfill(json=nobody))  # as on another page of nodes
    expect(page.locator("[data-rule]")).to_have_count(0)
    choose(page, what_happens="crosses")
    expect(page.get_by_label("Direction")).to_be_visible()
    expect(page.locator("#hits li")).to_have_count(0)
    expect(page.locator("#past-said")).to_contain_text("has been changed since")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#editor")).to_be_hidden()
    assert [(name, rule.enabled) for name, rule in edge.rules.items()] == [
        ("other", False),
        ("line_crossed", True),
    ]


def test_a_rule_is_drawn_up_with_the_keyboard_alone(
    viewer: ViewerProcess, edge: RulesEdge, open_page: OpenPage
) -> None:
    page = open_page(f"{viewer.url}/rules", **DESK)
    page.get_by_role("button", name="New rule").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#editor-title")).to_be_focused()
    page.get_by_role("button", name="First one in of the day").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("What happens")).to_have_value("crosses")
    page.get_by_label("What happens").focus()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_label("What happens")).to_be_focused()
    expect(page.get_by_label("What happens")).to_have_value("vanishes")
    expect(page.locator("#problems")).to_have_text("")
    page.get_by_role("button", name="Save").focus()
    page.keyboard.press("Enter")
    wait_until(lambda: list(edge.rules) == ["yard-zone_lost"])
    expect(page.get_by_role("button", name="New rule")).to_be_focused()


def test_what_can_never_fire_is_said_before_and_after_it_is_saved(
    viewer: ViewerProcess, edge: RulesEdge, open_page: OpenPage
) -> None:
    edge.problems = {"yard-crowd_started": ("can never fire: so says the node",)}
    page = open_page(f"{viewer.url}/rules", **DESK)
    page.get_by_role("button", name="New rule").click()
    choose(page, what_happens="crowds")
    expect(page.locator("#problems")).to_contain_text("It can never fire: crowd_started never comes")
    choose(page, zone_or_line="")
    page.get_by_role("button", name="Save").click()
    row = page.locator('[data-rule="test/yard-crowd_started"]')
    expect(row.locator(".problems")).to_have_text("It can never fire: so says the node.")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk-light", "phone-dark"])
def test_the_pages_are_accessible_and_what_they_show_is_text(
    viewer: ViewerProcess,
    edge: RulesEdge,
    open_page: OpenPage,
    accessible: CheckPage,
    artifacts: Path,
    size: dict[str, Any],
) -> None:
    name = "phone" if "has_touch" in size else "desk"
    rule = RuleDefinition(when=Condition(trigger="occupancy", at_least=3), name=EVIL[:64], text=EVIL)
    empty = replace(STAY, when=Condition(trigger="occupancy", at_most=0, classes=("person",)))
    out = Condition(trigger="event", events=("line_crossed",), zones=("gate",), direction="out")
    edge.problems = {"evil": (EVIL,)}
    edge.save(
        {"evil": rule, "constructor": empty, "b": replace(STAY, when=out)}
        | {f"rule-{n}": STAY for n in range(28)}
    )
    for number, severity in enumerate(("info", "critical"), 1):
        said = Alert(rule="evil", name=EVIL[:64], severity=severity, text=EVIL, trigger="stay")  # type: ignore[arg-type]  # one of them
        topic = edge.path(topics.SNAPSHOT, camera="yard", track=str(number))
        edge.client.publish(
            topics.SNAPSHOT, topic, picture_of(number), user_properties={"session": edge.session}
        )
        edge.event("yard", "alert", number, boot=name, alert=said, snapshot=topic)
    page = open_page(f"{viewer.url}/rules", **size)
    expect(page.locator("[data-rule]")).to_have_count(31)
    for one, words in (
        ("evil", "at least 3 objects are in any zone"),
        ("constructor", "no objects (person) are in any zone"),
        ("b", "anything crosses Door outwards"),
    ):
        expect(page.locator(f'[data-rule="test/{one}"] p')).to_have_text(f"When {words}: tell all targets.")
    page.get_by_role("button", name="Change: <img").click()
    page.locator("#finer summary").click()
    accessible(page)
    page.screenshot(path=artifacts / f"rules-{name}.png")
    page.goto(f"{viewer.url}/alerts?rule=evil")
    expect(page.locator("#feed > li").nth(1)).to_be_visible()
    expect(page.locator("#feed bdi").first).to_have_text(EVIL)
    accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=artifacts / f"alerts-{name}.png")
