"""Scores tracks against the ground truth of sequences.

Metrics: HOTA (Luiten et al., IJCV 2021), CLEAR MOT (Bernardin and Stiefelhagen, 2008), IDF1 (Ristani et al.,
2016), as implemented by `trackeval`, without its preprocessing.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np

from edge_node.frames import I64
from optimization.measure.mot import Boxes
from shared.errors import ConfigError
from shared.geometry import iou


def _relabelled(frames: list[Boxes]) -> tuple[list[I64], int]:
    names = np.unique(np.concatenate([ids for ids, _ in frames]))
    return [np.searchsorted(names, ids).astype(np.int64) for ids, _ in frames], len(names)


class Scorer:
    """Collects the scores of sequences, in percent as the benchmark prints them."""

    def __init__(self) -> None:
        try:
            from trackeval.metrics import CLEAR, HOTA, Identity
        except ImportError:
            raise ConfigError("scoring needs the package trackeval: pip install 'darner[optimize]'") from None
        quiet = {"PRINT_CONFIG": False}
        with contextlib.redirect_stdout(io.StringIO()):
            self._metrics: dict[str, Any] = {"hota": HOTA(), "clear": CLEAR(quiet), "id": Identity(quiet)}
        self._results: dict[str, dict[str, Any]] = {name: {} for name in self._metrics}

    def add(self, name: str, truth: list[Boxes], tracks: list[Boxes]) -> dict[str, float]:
        """Score one sequence.

        Args:
            name: Name of the sequence.
            truth: True boxes of each frame.
            tracks: Reported boxes of each frame.

        Returns:
            The scores hota, deta, assa, mota and idf1 in percent, and idsw, the number of identity switches.
        """
        gt_ids, num_gt_ids = _relabelled(truth)
        tracker_ids, num_tracker_ids = _relabelled(tracks)
        data = {
            "num_timesteps": len(truth),
            "num_gt_ids": num_gt_ids,
            "num_tracker_ids": num_tracker_ids,
            "num_gt_dets": sum(map(len, gt_ids)),
            "num_tracker_dets": sum(map(len, tracker_ids)),
            "gt_ids": gt_ids,
            "tracker_ids": tracker_ids,
            "similarity_scores": [iou(a, b) for (_, a), (_, b) in zip(truth, tracks, strict=True)],
        }
        for key, metric in self._metrics.items():
            self._results[key][name] = metric.eval_sequence(data)
        return _percent(*(self._results[key][name] for key in self._metrics))

    def combined(self) -> dict[str, float]:
        """The scores of all sequences as one, weighted by their objects."""
        return _percent(*(m.combine_sequences(self._results[key]) for key, m in self._metrics.items()))


def _percent(hota: dict[str, Any], clear: dict[str, Any], identity: dict[str, Any]) -> dict[str, float]:
    values = {
        "hota": np.mean(hota["HOTA"]),
        "deta": np.mean(hota["DetA"]),
        "assa": np.mean(hota["AssA"]),
        "mota": clear["MOTA"],
        "idf1": identity["IDF1"],
    }
    return {key: round(100 * float(value), 2) for key, value in values.items()} | {"idsw": int(clear["IDSW"])}
