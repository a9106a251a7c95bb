"""The System page says which node has reached which limit."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import CheckPage, OpenPage, StartViewer
from tests.conftest import MosquittoProcess
from tests.viewer_server.fake_edge import FakeEdge


def test_the_system_page_marks_the_node_whose_things_gave_way(
    own_broker: MosquittoProcess,
    tmp_path: Path,
    start_viewer: StartViewer,
    open_page: OpenPage,
    accessible: CheckPage,
) -> None:
    viewer = start_viewer(own_broker.url, "quotas.nodes=2", "quotas.cameras=2")
    with (
        FakeEdge(own_broker.url, node="shop") as shop,
        FakeEdge(own_broker.url, node="evil") as evil,
        FakeEdge(own_broker.url, node="new") as new,
    ):
        viewer.wait(broker_connected=True)
        shop.announce("front")
        viewer.wait(nodes=1)
        page = open_page(f"{viewer.url}/system")
        expect(page.get_by_role("region", name="Node shop")).to_be_visible()
        expect(page.get_by_text("Limits reached")).to_be_hidden()
        evil.announce("a", "b", "c")
        evil.event("c", "zone_entered", 1, boot="b", zone="z", occurred_us=2**52)
        marks = page.get_by_role("list", name="Limits that evil has reached").get_by_role("listitem")
        expect(marks.filter(has_text="more than 2 cameras")).to_be_visible(timeout=15_000)
        expect(marks.filter(has_text="its clock is wrong")).to_be_visible(timeout=15_000)
        new.announce("front")
        together = page.get_by_role("region", name="Limits reached").get_by_role("listitem")
        expect(together).to_contain_text("All nodes: more than 2 nodes")
        expect(page.get_by_role("region", name="Node shop").get_by_role("listitem")).to_have_count(0)
        accessible(page)
        page.screenshot(path=str(tmp_path / "limits.png"), full_page=True)
