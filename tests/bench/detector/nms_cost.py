"""Milliseconds of decoding and NMS of a YOLOv8 output beside Ultralytics', on the same tensors.

    python tests/bench/detector/nms_cost.py [--json FILE] [--rounds 12] [--cpu]

Each object has 10 to 30 anchors around it, as networks give them; all other anchors have noise. The two
take turns, so that a busy machine slows both alike, and must find the same boxes. Ultralytics runs with one
thread and with as many as PyTorch likes, and whichever is faster counts. Darner has one thread. On a busy
machine, threads wait for each other: `--cpu` compares processor time there, of one thread each.

The same file is both ends: run by the Python of the environment that has Ultralytics (AGPL-3.0, in
`.cache/peers/`, made on first use) it is the other process.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script
from tests.bench.conversation import Asking, answer_all

F32 = npt.NDArray[np.float32]

PACKAGE = "ultralytics==8.4.190"
_COUNTS = (0, 10, 50, 200)
_CONFIDENCES = (0.25, 0.001)
_IOU, _LIMIT = 0.6, 300
_SIDE, _CLASSES, _ANCHORS = 640, 80, 8400
_TURN = 5
"""Calls in a row, each on a fresh copy: a network's fresh output is in the cache, too."""
_SEPARATION = 1024
"""How far apart Ultralytics moves classes; its default, 7680, leaves a float32 too few bits for boxes."""


def output(objects: int, classes: int, seed: int) -> F32:
    """An output as YOLOv8 has it for a 640x640 picture.

    Args:
        objects: In the picture, of 20 to 120 pixels.
        classes: They belong to.
        seed: Of the random numbers.

    Returns:
        ``(84, 8400)``.
    """
    rng = np.random.default_rng(seed)
    found = np.zeros((4 + _CLASSES, _ANCHORS), np.float32)
    found[:2] = rng.uniform(0, _SIDE, (2, _ANCHORS))
    found[2:4] = rng.uniform(8, 200, (2, _ANCHORS))
    # About half of the anchors are above 0.001 in some class.
    found[4:] = np.minimum(10 ** rng.normal(-4.5, 0.6, (_CLASSES, _ANCHORS)), 0.1)
    centre, sides = rng.uniform(0, _SIDE, (objects, 2)), rng.uniform(20, 120, (objects, 2))
    owner = np.repeat(np.arange(objects), rng.integers(10, 31, objects))
    anchor = rng.choice(_ANCHORS, len(owner), replace=False)
    found[:2, anchor] = (centre[owner] + rng.normal(0, 0.04, (len(owner), 2)) * sides[owner]).T
    found[2:4, anchor] = (sides[owner] * np.exp(rng.normal(0, 0.06, (len(owner), 2)))).T
    score = rng.uniform(0.65, 0.95, objects)[owner] * rng.uniform(0.4, 1, len(owner))
    found[4 + rng.integers(0, classes, objects)[owner], anchor] = score
    return found


def _measure(
    peers: Sequence[Asking], tensor: F32, confidence: float, rounds: int, *, cpu: bool
) -> dict[str, float]:
    """Medians of ours and of the fastest of theirs, and the number of boxes."""
    from edge_node.backends.preprocess import InputFormat
    from edge_node.detect.decode.candidates import candidates, suppress
    from edge_node.detect.decode.families import FAMILIES

    target, wanted = InputFormat(_SIDE, _SIDE), np.arange(_CLASSES)
    clock = time.thread_time if cpu else time.perf_counter
    ours: list[float] = []
    theirs: list[list[float]] = [[] for _ in peers]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "output.npy"
        np.save(path, tensor)
        question = {"path": str(path), "confidence": confidence, "cpu": cpu}
        answers = [peer.ask(**question, separation=_SEPARATION) for peer in peers]
        for _ in range(rounds):
            for _ in range(_TURN):
                fresh = tensor.copy()
                start = clock()
                found = candidates(FAMILIES["yolov8"], [fresh], target, wanted, confidence)
                found = suppress(FAMILIES["yolov8"], found, _IOU, _LIMIT)
                ours.append(clock() - start)
            for peer, seconds in zip(peers, theirs, strict=True):
                seconds += peer.ask(**question)["seconds"]
    expected = np.array(answers[0]["rows"], np.float32).reshape(-1, 6)
    np.testing.assert_array_equal(found.class_id, expected[:, 5])
    np.testing.assert_array_equal(found.score, expected[:, 4])
    np.testing.assert_allclose(found.xyxy, expected[:, :4], atol=1e-3)
    fastest = min(statistics.median(seconds) for seconds in theirs)
    medians = {"darner": statistics.median(ours) * 1e3, "ultralytics": fastest * 1e3}
    return {**medians, "ratio": medians["ultralytics"] / medians["darner"], "boxes": len(found)}


def _work() -> None:
    """The other process: for each question, it makes a number of timed calls."""
    import importlib

    torch = importlib.import_module("torch")
    importlib.import_module("torchvision")  # its NMS is compiled; without it Ultralytics uses a slower one
    suppress = importlib.import_module("ultralytics.utils.nms").non_max_suppression
    if threads := int(sys.argv[sys.argv.index("--peer") + 1]):
        torch.set_num_threads(threads)
    loaded: dict[str, Any] = {}

    def measure(task: dict[str, Any]) -> dict[str, Any]:
        if task["path"] not in loaded:
            loaded.clear()
            loaded[task["path"]] = torch.from_numpy(np.load(task["path"]))[None]
        tensor = loaded[task["path"]]
        times = []
        clock = time.thread_time if task["cpu"] else time.perf_counter
        for _ in range(_TURN):
            fresh = tensor.clone()  # it works in place
            start = clock()
            rows = suppress(
                fresh, task["confidence"], _IOU, max_det=_LIMIT, max_wh=task.get("separation", 7680)
            )
            times.append(clock() - start)
        return {"seconds": times, "rows": rows[0].tolist()}

    answer_all(measure)


def main() -> None:
    """Measure 0 to 200 objects at two thresholds, of all classes and of one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--rounds", type=int, default=12, help=f"turns of {_TURN} calls")
    parser.add_argument("--cpu", action="store_true", help="processor time, for a machine that is busy")
    args = parser.parse_args()
    from tests.bench.tracker.peers import environment

    python = environment("ultralytics", PACKAGE)
    kind = "of processor time" if args.cpu else "of time"
    print(f"medians of {args.rounds * _TURN} calls, ms {kind}; numpy {np.__version__}, {PACKAGE}")
    print(f"{'confidence':>10} {'classes':>8} {'objects':>8} {'boxes':>6} {'darner':>8} {'ultralytics':>12}")
    results = []
    with contextlib.ExitStack() as stack:
        peers = [
            Asking(
                stack.enter_context(
                    subprocess.Popen(
                        [str(python), "-W", "ignore", __file__, "--peer", str(threads)],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                    )
                )
            )
            for threads in ((1,) if args.cpu else (1, 0))
        ]
        for confidence in _CONFIDENCES:
            for classes in (_CLASSES, 1):
                for objects in _COUNTS:
                    tensor = output(objects, classes, objects)
                    got = _measure(peers, tensor, confidence, args.rounds, cpu=args.cpu)
                    results.append({"confidence": confidence, "classes": classes, "objects": objects, **got})
                    print(
                        f"{confidence:10} {classes:8} {objects:8} {got['boxes']:6} {got['darner']:8.3f} "
                        f"{got['ultralytics']:12.3f} {got['ratio']:5.2f}x"
                    )
    if args.json:
        document = {
            "rounds": args.rounds,
            "clock": kind,
            "versions": [f"numpy {np.__version__}", PACKAGE],
            "results": results,
        }
        args.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if "--peer" in sys.argv:
        _work()
    else:
        main()
