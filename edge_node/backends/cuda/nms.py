"""The kernels of `nms.cu` and the structures they read: a network's outputs become detections on the GPU.

They give what `detect.decode` gives, bit for bit, so it makes no difference where a picture was decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_node.backends.cuda.device import Device
from edge_node.backends.cuda.layout import LAYOUT, FilterLayout
from edge_node.backends.interface import Wanted
from edge_node.backends.preprocess import Letterbox, to_sources
from edge_node.frames import Detections
from edge_node.pictures import U8

PTX = Path(__file__).parent / "nms.ptx"
CAPACITY = 1024
"""Maximum candidates of a picture that the GPU sorts out; with more, the host gets the whole output."""

REQUEST = np.dtype([("confidence", "<f4"), ("iou", "<f4"), ("most", "<i4"), ("classes", "<i4")])
CANDIDATE = np.dtype([("xyxy", "<f4", 4), ("score", "<f4"), ("class_id", "<i4"), ("unused", "<i4", 2)])
SCRATCH = np.dtype(
    [
        ("keys", "<i8", CAPACITY),
        ("found", CANDIDATE, CAPACITY),
        ("ordered", CANDIDATE, CAPACITY),
        ("beaten", "<u4", (CAPACITY, CAPACITY // 32)),
    ]
)
RESULT = np.dtype(
    [
        ("candidates", "<i4"),
        ("kept", "<i4"),
        ("unused", "<i4", 2),
        ("xyxy", "<f4", (CAPACITY, 4)),
        ("score", "<f4", CAPACITY),
        ("class_id", "<i4", CAPACITY),
    ]
)
_ONE = np.ones((), np.float32)
_THREADS = 128
_WARPS = 8
"""Warps of a block of `rank`."""
_SORTERS, _COMPARERS = 32, 128
"""Blocks of `rank` and of `compare` for each picture: enough to fill a whole GPU with a single picture."""


def request_size(classes: int) -> int:
    """Bytes of the structure `Request` for a network that knows `classes` classes."""
    return REQUEST.itemsize + 4 * max(classes, 1)


def fill_request(memory: U8, wanted: Wanted) -> None:
    """Write the structure `Request`.

    Args:
        memory: u8 ``(size,)``.
        wanted: The detections that count.
    """
    count, start = len(wanted.class_ids), REQUEST.itemsize
    most = min(wanted.most, CAPACITY)
    memory[:start].view(REQUEST)[0] = wanted.confidence, wanted.iou, most, count
    memory[start : start + 4 * count].view(np.int32)[:] = wanted.class_ids


class Results:
    """What the kernels wrote for the pictures of a batch.

    Args:
        rows: `RESULT` by picture, all zero at first; read again at each call.
    """

    def __init__(self, rows: npt.NDArray[Any]) -> None:
        self._candidates, self._kept = rows["candidates"], rows["kept"]
        self._xyxy, self._score, self._class_id = rows["xyxy"], rows["score"], rows["class_id"]

    def detections(self, fits: Sequence[Letterbox]) -> list[Detections | None]:
        """What the pictures show, as `Inference.found` has it; None for one with too many candidates.

        Args:
            fits: How each picture lies in the input.
        """
        count = len(fits)
        candidates, kept = self._candidates[:count].tolist(), self._kept[:count].tolist()
        most = max(kept)
        # Behind the last detection of a picture is what other batches left there.
        xyxy = to_sources(self._xyxy[:count, :most], fits)
        score, class_id = np.minimum(self._score[:count, :most], _ONE), self._class_id[:count, :most].copy()
        visible = xyxy[..., 2:] > xyxy[..., :2]
        all_visible = visible.all()
        found: list[Detections | None] = []
        for index, size in enumerate(kept):
            one = Detections(xyxy[index, :size], score[index, :size], class_id[index, :size])
            if not all_visible:
                shows = visible[index, :size]
                one = one[shows[:, 0] & shows[:, 1]]
            found.append(one if candidates[index] <= CAPACITY else None)
        return found


class NmsKernels:
    """The loaded kernels; the context must be current whenever they are used.

    Args:
        gpu: The GPU.
    """

    def __init__(self, gpu: Device) -> None:
        self._module: Any = gpu.driver.module_from_buffer(PTX.read_bytes() + b"\0")
        self._functions: dict[str, Any] = {
            name: self._module.get_function(name).prepare(arguments)
            for name, arguments in (
                ("select_float32", f"{LAYOUT.itemsize}sPPP"),
                ("select_float16", f"{LAYOUT.itemsize}sPPP"),
                ("rank", "PP"),
                ("compare", "PPP"),
                ("keep", "PPPP"),
            )
        }

    def detect(
        self,
        outputs: Sequence[int],
        dtype: npt.DTypeLike,
        batch: int,
        layout: FilterLayout,
        request: int,
        counts: int,
        scratch: int,
        results: int,
        stream: Any,
    ) -> None:
        """Make detections of a network's outputs.

        Args:
            outputs: Addresses of the outputs.
            dtype: float32 or float16.
            batch: Pictures.
            layout: How the outputs lie in memory.
            request: Address of the structure `Request`.
            counts: Address of i32 ``(batch,)``, all zero; the kernels count candidates there.
            scratch: Address of a `SCRATCH` for each picture; whatever is in there.
            results: Address of a `RESULT` for each picture, which may be in the host's memory.
            stream: A stream of pycuda.
        """
        kind = np.dtype(dtype)
        select, given = self._functions[f"select_{kind}"], layout.to_bytes(outputs, kind.itemsize)
        anchors = (-(-layout.anchors // _THREADS), batch)
        select.prepared_async_call(anchors, (_THREADS, 1, 1), stream, given, request, counts, scratch)
        for name, grid, block, arguments in (
            ("rank", (_SORTERS, batch), (32, _WARPS, 1), (counts, scratch)),
            ("compare", (_COMPARERS, batch), (_THREADS, 1, 1), (counts, request, scratch)),
            ("keep", (batch, 1), (32, 1, 1), (counts, request, scratch, results)),
        ):
            self._functions[name].prepared_async_call(grid, block, stream, *arguments)
