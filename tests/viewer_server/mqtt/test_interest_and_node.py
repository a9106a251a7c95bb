"""Who looks at a camera is known to its node, over a real broker: the viewer's side and the node's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from edge_node.config.settings import EdgeConfig
from edge_node.publish.thumbnails.interests import Interests
from shared.mqtt.address import MqttSettings
from shared.settings import convert
from shared.wire import topics
from tests.conftest import MosquittoProcess, wait_until
from tests.viewer_server.fake_edge import FakeEdge
from viewer_server.config import HistorySettings
from viewer_server.live.hub import Hub
from viewer_server.live.mailbox import Mailbox
from viewer_server.live.metrics import ViewerMetrics
from viewer_server.live.state import State
from viewer_server.mqtt.subscriber import Subscriber
from viewer_server.stored.history import History

CONFIG = {"node": "test", "cameras": {"yard": {"source": "0", "thumbnail": {"on_demand": True}}}}


@contextmanager
def viewer(url: str) -> Iterator[Hub]:
    """A viewer without its pages."""
    hub = Hub(State(topics.DEFAULT_PREFIX), 9, {})
    history = History(HistorySettings(path=None))
    with Subscriber(MqttSettings(url=url), hub, ViewerMetrics(hub), history, lambda _: None):
        yield hub


def page(hub: Hub) -> Mailbox:
    """A page that watches nothing yet."""
    mailbox = Mailbox(threading.Event(), lambda: None, names_first=True)
    hub.join(mailbox, 0)
    return mailbox


def test_a_node_knows_who_looks_and_the_viewer_gets_what_is_looked_at(own_broker: MosquittoProcess) -> None:
    edge = FakeEdge(own_broker.url, capabilities=("interest",))
    with edge, viewer(own_broker.url) as hub:
        interests = Interests(edge.client, edge.prefix, edge.node)
        interests.configure(convert(EdgeConfig, CONFIG, where="test"))
        edge.announce("yard")

        def nobody_looks() -> bool:
            for _ in range(len(edge.client.received)):
                interests.handle(edge.client.received.get())
            return interests.nobody_looks("yard")

        wait_until(nobody_looks)
        edge.frame("yard", 1)
        looking = page(hub)
        hub.watch(looking, [("test", "yard")])
        wait_until(lambda: not nobody_looks())
        wait_until(lambda: hub.listened == 1)
        edge.frame("yard", 2)
        wait_until(lambda: hub.new_frame(("test", "yard")) is not None)
        assert hub.census()["joined"] == 1, "only what was looked at has come"
        edge.client.cut()
        wait_until(lambda: edge.client.connections == 2 and edge.client.subscribed)
        assert not nobody_looks(), "the broker keeps what the viewer says"
        with viewer(own_broker.url) as other:
            wait_until(lambda: other.knows("test"))
            assert not nobody_looks(), "somebody looks through the first viewer"
