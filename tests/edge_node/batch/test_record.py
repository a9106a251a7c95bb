"""The messages about a video."""

from __future__ import annotations

import dataclasses

from edge_node.analytics.happenings import Happening
from edge_node.batch.record import Record
from edge_node.config.camera_settings import CameraSettings
from edge_node.publish.compose import Composer
from shared.wire.messages import Event, ZoneNumbers, ZoneState
from tests.edge_node.publish.analysed import analysed
from tests.edge_node.scenes import CLASSES


def test_what_is_certain_only_at_the_end_is_an_event_and_in_the_final_numbers() -> None:
    record = Record(Composer("box", "s", CLASSES), "s", CameraSettings(source="film.avi"))
    last = analysed()
    list(record.of(last))
    before = record.events
    crossed = Happening(type="line_crossed", occurred_s=0.0, track_id=1, class_id=0, zone="gate")
    gate = ZoneNumbers(zone="gate", kind="line", entered=1)
    report = dataclasses.replace(last.report, happenings=[crossed], numbers={"gate": gate})
    event, numbers = record.end(dataclasses.replace(last, report=report))
    assert isinstance(event, Event)
    assert (event.type, record.events) == ("line_crossed", before + 1)
    assert isinstance(numbers, ZoneState)
    assert numbers.entered == 1
