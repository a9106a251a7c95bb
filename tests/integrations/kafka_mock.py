"""A mock of a Kafka broker: prints its address, then what comes to a topic."""

from __future__ import annotations

import json
import sys

from confluent_kafka import Consumer  # type: ignore[import-not-found]  # in .cache/sinks/venv


def main(topic: str) -> None:
    """Print a line for the address, and one of JSON for each message."""
    consumer = Consumer(
        {
            "test.mock.num.brokers": 1,
            "bootstrap.servers": "replaced",
            "group.id": "reader",
            "auto.offset.reset": "earliest",
        }
    )
    (broker,) = consumer.list_topics(timeout=10).brokers.values()
    print(f"{broker.host}:{broker.port}", flush=True)
    consumer.subscribe([topic])
    while True:
        message = consumer.poll(1.0)
        if message is not None and not message.error():
            print(json.dumps([message.key().decode(), message.value().decode()]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
