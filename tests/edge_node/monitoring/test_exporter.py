from __future__ import annotations

import dataclasses

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge_node.monitoring.exporter import Exporter
from edge_node.monitoring.families import Families
from tests.edge_node.monitoring.seen import MESSAGE, everything, exporter
from tests.edge_node.scenes import CLASSES


def scrape(asked: Exporter) -> dict[str, float]:
    """Each sample's number by its name and labels; the node's label is checked and left out."""
    found = {}
    for family in text_string_to_metric_families(asked.metrics().body.decode()):
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("node") == "n"
            found[sample.name + "".join(f" {key}={value}" for key, value in sorted(labels.items()))] = (
                sample.value
            )
    return found


def test_a_node_that_still_starts_has_no_metrics() -> None:
    assert scrape(Exporter("n")) == {}


def test_prometheus_reads_the_newest_metrics_message() -> None:
    found = scrape(exporter(everything()))
    assert found["darner_edge_camera_dropped_total camera=street"] == 48
    assert found["darner_edge_camera_fps_out camera=street"] == 12.5
    assert found["darner_edge_publish_dropped_total topic=detections"] == 7
    assert found["darner_edge_publish_dropped_total topic=refused"] == 0, "so that the first one is a rise"
    assert found["darner_edge_camera_collected_pictures camera=street"] == 12
    assert found["darner_edge_camera_collected_bytes camera=street"] == 3400
    assert found["darner_edge_camera_not_collected_total camera=street reason=busy"] == 2
    assert "darner_edge_camera_collected_pictures camera=back" not in found
    assert found["darner_edge_outbox_events"] == 3
    assert found["darner_edge_snapshots_dropped_total reason=no_room"] == 4
    assert found["darner_edge_camera_still_total camera=street"] == 5
    ignored = {key: value for key, value in found.items() if key.startswith("darner_edge_camera_ignored")}
    assert ignored == {
        "darner_edge_camera_ignored_total camera=street mask=tree reason=mask": 4,
        "darner_edge_camera_ignored_total camera=street mask=pond reason=mask": 3,
        "darner_edge_camera_ignored_total camera=street mask= reason=min_size": 2,
    }, "their sum is the number of detections"
    assert found["darner_edge_camera_left_out_total camera=street reason=late"] == 6
    assert found["darner_edge_camera_looks_total camera=street purpose=whole"] == 20
    assert found["darner_edge_camera_looks_total camera=street purpose=track"] == 70
    assert found["darner_edge_stage_waiting stage=look"] == 2
    assert found["darner_edge_stage_dropped_total stage=publish"] == 7
    assert found["darner_edge_batches_total frames=4"] == 30
    assert found["darner_edge_report_timestamp_seconds"] == 1_700_000_000
    assert found["darner_edge_temperature_celsius sensor=cpu-thermal"] == 61.25
    assert found["darner_edge_throttled reason=gpu1 power cap"] == 1
    assert found["darner_edge_memory_bytes"] == 250e6


def test_gpus_are_told_in_base_units_and_without_what_they_do_not_tell() -> None:
    found = scrape(exporter(everything()))
    gpus = {key: value for key, value in found.items() if key.startswith("darner_edge_gpu_")}
    assert gpus == pytest.approx(
        {
            "darner_edge_gpu_utilisation_ratio gpu=1": 0.73,
            "darner_edge_gpu_memory_used_bytes gpu=1": 2000e6,
            "darner_edge_gpu_memory_peak_bytes gpu=1": 3500e6,
            "darner_edge_gpu_memory_total_bytes gpu=1": 16000e6,
            "darner_edge_gpu_own_memory_bytes gpu=1": 900e6,
            "darner_edge_gpu_own_memory_peak_bytes gpu=1": 2400e6,
            "darner_edge_gpu_temperature_celsius gpu=1": 81,
            "darner_edge_gpu_power_watts gpu=2": 65.5,
        }
    )


def test_what_cameras_see_is_counted_by_class_place_and_direction() -> None:
    found = scrape(exporter(everything()))
    first, second = CLASSES[:2]
    seen = found[f"darner_detections_total camera=street class={first}"]
    assert seen == 2, "a box that the tracker predicted is no detection"
    assert found["darner_detections_total camera=street class=other"] == 1, "a class without a name"
    assert found[f"darner_objects camera=street class={first}"] == 2
    assert found["darner_objects camera=street class=other"] == 0, "seen before, and not in view now"
    assert found["darner_events_total camera=street type=line_crossed"] == 1
    assert found["darner_events_total camera=street type=loitering"] == 0, "so that the first one is a rise"
    assert found["darner_zone_occupancy camera=street zone=door"] == 3
    assert found["darner_zone_crowded camera=street zone=door"] == 1
    assert found["darner_zone_entered_total camera=street zone=door"] == 10
    assert found[f"darner_zone_entered_by_class_total camera=street class={first} zone=door"] == 10
    assert found["darner_zone_queue_longest_wait_seconds camera=street zone=door"] == 41.5
    assert found["darner_zone_dwell_seconds_count camera=street zone=door"] == 4
    assert found["darner_zone_dwell_seconds_sum camera=street zone=door"] == 10.0
    assert found["darner_line_crossed_total camera=street direction=in line=kerb"] == 8
    assert found["darner_line_crossed_total camera=street direction=out line=kerb"] == 5
    by_class = f"darner_line_crossed_by_class_total camera=street class={second} direction=in line=kerb"
    assert found[by_class] == 1
    assert "darner_zone_occupancy camera=street zone=kerb" not in found, "a line has no occupancy"


def test_presence_pauses_problems_and_counters_of_the_day_are_told() -> None:
    found = scrape(exporter(everything()))
    assert found["darner_zone_present camera=street zone=door"] == 1
    assert found["darner_zone_paused camera=street zone=door"] == 0
    assert found["darner_line_paused camera=street line=kerb"] == 1
    assert found["darner_edge_camera_problem camera=street problem=moved"] == 1
    assert found["darner_edge_camera_problem camera=street problem=covered"] == 0
    assert "darner_edge_camera_problem camera=back problem=moved" not in found, "nobody judges its picture"
    assert found["darner_zone_day_entered camera=street zone=door"] == 1
    assert found["darner_zone_day_exited camera=street zone=door"] == 0
    assert found["darner_line_day_crossed camera=street direction=in line=kerb"] == 0
    assert found["darner_line_day_crossed camera=street direction=out line=kerb"] == 1


def test_a_camera_that_sees_nothing_now_tells_no_old_occupancy() -> None:
    found = scrape(exporter(everything("reconnecting")))
    assert found["darner_edge_camera_status camera=street status=reconnecting"] == 1
    assert found["darner_edge_camera_status camera=street status=streaming"] == 0
    assert found["darner_edge_camera_status camera=back status=starting"] == 1
    assert found["darner_edge_camera_reconnects_total camera=street"] == 3
    gone = (
        "darner_zone_occupancy",
        "darner_zone_crowded",
        "darner_zone_present",
        "darner_objects",
        "darner_zone_queue",
    )
    assert not [name for name in found if name.startswith(gone)]
    assert found["darner_zone_entered_total camera=street zone=door"] == 10, "what was counted stays"


def test_what_people_call_things_stands_beside_the_keys() -> None:
    found = scrape(exporter(everything()))
    assert found["darner_edge_info backend=onnx device=cpu model=nanodet name=Laden version=1"] == 1
    assert found["darner_edge_camera_info camera=street name=Straße"] == 1
    assert found["darner_edge_camera_info camera=back name=back"] == 1
    assert found["darner_zone_info camera=street name=Tür zone=door"] == 1
    assert found["darner_line_info camera=street line=kerb name=kerb"] == 1


def test_latencies_are_histograms_in_seconds() -> None:
    found = scrape(exporter(everything()))
    latency = "darner_edge_latency_seconds"
    assert found[f"{latency}_bucket camera=street le=0.025"] == 0
    assert found[f"{latency}_bucket camera=street le=0.05"] == 1
    assert found[f"{latency}_bucket camera=street le=+Inf"] == found[f"{latency}_count camera=street"] == 1
    assert found[f"{latency}_sum camera=street"] == pytest.approx(0.042)
    assert found[f"{latency}_count camera=back"] == 0
    stage = "darner_edge_stage_seconds"
    assert found[f"{stage}_bucket le=10.0 stage=inference"] == 1
    assert found[f"{stage}_bucket le=+Inf stage=inference"] == 2, "a minute is beyond the last bound"
    assert found[f"{stage}_bucket le=0.0002 stage=track"] == 1


def test_the_text_is_made_once_for_each_message_however_many_ask() -> None:
    shown = exporter(everything())
    looks = []
    look = shown.look
    assert look is not None
    shown.look = lambda: looks.append(1) or look()  # type: ignore[func-returns-value]  # append says nothing
    first = shown.metrics().body
    assert shown.metrics().body is first
    shown.update(dataclasses.replace(MESSAGE, uptime_s=17.5))
    assert b'darner_edge_uptime_seconds{node="n"} 17.5' in shown.metrics().body
    assert len(looks) == 2


def test_names_and_units_are_those_that_prometheus_asks_for() -> None:
    text = exporter(everything()).metrics().body.decode()
    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    for family in families:
        assert family.documentation
        assert family.name.startswith("darner_")
        assert not family.name.endswith(("_mb", "_ms", "_percent", "_c", "_w", "_milliseconds"))
        assert (family.type == "counter") == any(one.name.endswith("_total") for one in family.samples)


def test_a_sum_of_floats_has_no_more_decimals_than_it_means() -> None:
    families = Families("n")
    [_, total] = families.summary("x", "about", [((), 6, sum([3.2] * 6))]).samples
    [used] = families.gauge("y", "about", [((), 0.1 + 0.2)]).samples
    assert (total.value, used.value) == (19.2, 0.3)
