from __future__ import annotations

import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge_node.publish.prometheus import Exporter
from shared.errors import ConfigError
from shared.wire.messages import (
    CameraMetrics,
    CollectMetrics,
    GpuMetrics,
    Metrics,
    OutboxMetrics,
    Quantiles,
    StageMetrics,
)

MESSAGE = Metrics(
    node="n",
    session="s",
    published_us=1,
    uptime_s=12.5,
    cameras={
        "front": CameraMetrics(
            fps_in=25,
            fps_out=12.5,
            captured=100,
            processed=50,
            dropped=48,
            thumbnails=9,
            still=5,
            looks={"whole": 20, "track": 70},
            ignored={"mask": 7, "mask:tree": 4, "mask:pond": 3, "min_size": 2},
            collected=CollectMetrics(pictures=12, bytes=3_400, dropped={"busy": 2}),
        ),
        "back": CameraMetrics(fps_in=0, fps_out=0, captured=0, processed=0, dropped=0, thumbnails=0),
    },
    stages_ms={"inference": Quantiles(count=50, p50=3.0, p90=4.0, p95=5.0, p99=6.0)},
    cpu_percent=40.0,
    memory_mb=250.0,
    publish_dropped={"detections": 7},
    stages={"look": StageMetrics(waiting=2, dropped=48), "publish": StageMetrics(waiting=1, dropped=7)},
    batches={"1": 10, "4": 30},
    gpus=(
        GpuMetrics(
            index=1,
            name="Tesla T4",
            utilisation_percent=73.0,
            memory_used_mb=2000.0,
            memory_total_mb=16000.0,
            temperature_c=81,
            power_w=None,
            throttled=("power cap",),
            memory_peak_mb=3500.0,
            own_memory_mb=900.0,
            own_memory_peak_mb=2400.0,
        ),
    ),
    temperatures_c={"cpu-thermal": 61.25},
    throttled=("gpu1 power cap",),
    outbox=OutboxMetrics(backlog=3, bytes=1200, dropped=0, on_disk=True),
)


def scrape(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return {
        sample.name + "".join(f" {key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_prometheus_reads_the_newest_metrics_message() -> None:
    with Exporter("127.0.0.1", 0) as exporter:
        assert scrape(exporter.port) == {}
        exporter.update(MESSAGE)
        found = scrape(exporter.port)
    assert found["darner_edge_camera_dropped_total camera=front"] == 48
    assert found["darner_edge_camera_fps_out camera=front"] == 12.5
    assert found["darner_edge_stage_milliseconds quantile=0.95 stage=inference"] == 5.0
    assert found["darner_edge_publish_dropped_total topic=detections"] == 7
    assert found["darner_edge_camera_collected_pictures camera=front"] == 12
    assert found["darner_edge_camera_collected_bytes camera=front"] == 3400
    assert found["darner_edge_camera_not_collected_total camera=front reason=busy"] == 2
    assert "darner_edge_camera_collected_pictures camera=back" not in found
    assert found["darner_edge_outbox_events"] == 3
    assert found["darner_edge_camera_still_total camera=front"] == 5
    ignored = {key: value for key, value in found.items() if key.startswith("darner_edge_camera_ignored")}
    assert ignored == {
        "darner_edge_camera_ignored_total camera=front mask=tree reason=mask": 4,
        "darner_edge_camera_ignored_total camera=front mask=pond reason=mask": 3,
        "darner_edge_camera_ignored_total camera=front mask= reason=min_size": 2,
    }, "their sum is the number of detections"
    assert found["darner_edge_camera_looks_total camera=front purpose=whole"] == 20
    assert found["darner_edge_camera_looks_total camera=front purpose=track"] == 70
    assert found["darner_edge_stage_waiting stage=look"] == 2
    assert found["darner_edge_stage_dropped_total stage=publish"] == 7
    assert found["darner_edge_batches_total frames=4"] == 30
    assert found["darner_edge_gpu_temperature_c gpu=1"] == 81
    assert found["darner_edge_gpu_memory_peak_mb gpu=1"] == 3500
    assert found["darner_edge_gpu_own_memory_mb gpu=1"] == 900
    assert found["darner_edge_gpu_own_memory_peak_mb gpu=1"] == 2400
    assert "darner_edge_gpu_power_w gpu=1" not in found, "what the GPU does not tell is left out"
    assert found["darner_edge_temperature_c zone=cpu-thermal"] == 61.25
    assert found["darner_edge_throttled reason=gpu1 power cap"] == 1
    assert found["darner_edge_memory_bytes"] == 250e6


def test_a_port_that_is_taken_is_one_clear_error() -> None:
    with Exporter("127.0.0.1", 0) as first, pytest.raises(ConfigError, match="prometheus: 127"):
        Exporter("127.0.0.1", first.port).__enter__()
