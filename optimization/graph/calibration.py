"""The range of values that each tensor of a network takes on real pictures, and the file that keeps it.

Methods, as implemented by `onnxruntime.quantization`: the extremes; a percentile of the histogram of absolute
values; the threshold whose quantised histogram diverges least from the original (Kullback-Leibler; Migacz,
"8-bit Inference with TensorRT", GTC 2017).
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization.calibrate import CalibrationMethod, create_calibrator
from tqdm import tqdm

from edge_node.backends.preprocess import InputFormat, Preprocessor
from optimization import files, pictures
from optimization.graph import graphs
from shared.errors import ModelError, SourceError
from shared.geometry import F32

Method = Literal["entropy", "percentile", "minmax"]
_FORMAT = 1
_METHODS = {
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
    "minmax": CalibrationMethod.MinMax,
}


@dataclass(frozen=True, slots=True)
class Calibration:
    """Ranges measured on pictures.

    Attributes:
        model_sha256: SHA-256 of the model's file.
        method: How outliers were treated.
        percentile: Percentage of the values that lie inside a range; only used by the method "percentile".
        pictures: Number of pictures that were measured.
        ranges: Lowest and highest value by tensor name.
        kept: Names of the nodes that are better kept in float, by target.
    """

    model_sha256: str
    method: Method
    percentile: float
    pictures: int
    ranges: dict[str, tuple[float, float]]
    kept: dict[str, list[str]] = field(default_factory=dict)


def measure(
    graph: onnx.ModelProto, shown: Sequence[Path], target: InputFormat, method: Method, percentile: float
) -> dict[str, tuple[float, float]]:
    """Run the network on pictures and collect the range of every float tensor.

    Args:
        graph: What `graphs.pre_process` returned.
        shown: Pictures to measure on.
        target: How pictures become the network's input.
        method: How to treat outliers.
        percentile: For the method "percentile", 50 to 100.

    Returns:
        Lowest and highest value by tensor, without tensors that were infinite on any picture.

    Raises:
        ModelError: The network cannot be run.
        SourceError: A picture cannot be read.
    """
    options = {"percentile": percentile} if method == "percentile" else {}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "model.onnx"
        graphs.save(graph, source)
        try:
            calibrator = create_calibrator(
                str(source),
                None,
                str(Path(folder) / "augmented.onnx"),
                _METHODS[method],
                extra_options=options,
            )
        except Exception as error:  # noqa: BLE001 - ONNX Runtime has no common base
            raise ModelError(f"the network cannot be calibrated: {graphs.reason(error)}") from None
        calibrator.infer_session = _NeverEmpty(calibrator.infer_session)
        preprocess = Preprocessor(target)
        name = graph.graph.input[0].name
        # One picture at a time: the collector keeps all tensors of all pictures that it gets at once.
        for path in tqdm(shown, unit=" pictures", desc="calibrating", disable=None):
            with contextlib.redirect_stdout(io.StringIO()):  # the calibrator prints a line every time
                calibrator.collect_data(_Reader(name, [preprocess(pictures.read(path))[0]]))
        with graphs.quiet(), contextlib.redirect_stdout(io.StringIO()):
            found = calibrator.compute_data()
    ranges = {key: (_number(data.lowest), _number(data.highest)) for key, data in found.items()}
    return {key: pair for key, pair in ranges.items() if np.isfinite(pair).all()}


def _number(value: npt.NDArray[np.float32]) -> float:
    """One end of a range, which is an array of one for some methods and a scalar for others."""
    return float(np.asarray(value).reshape(-1)[0])


class _NeverEmpty:
    """A session whose empty outputs hold one 0, because histograms of nothing cannot be made.

    Networks that choose boxes have no values where they chose none. Every range holds 0 anyway.
    """

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, names: Any, feeds: Any) -> list[Any]:
        """What the session returns, with something in each output."""
        outputs = self._session.run(names, feeds)
        return [array if array.size else np.zeros(1, array.dtype) for array in outputs]


class _Reader:
    """Gives the calibrator one input after the other."""

    def __init__(self, name: str, tensors: Iterable[F32]) -> None:
        self._feeds = iter([{name: tensor} for tensor in tensors])

    def get_next(self) -> dict[str, F32] | None:
        """The next input, None at the end."""
        return next(self._feeds, None)


def save(calibration: Calibration, path: Path) -> None:
    """Write the calibration file.

    Raises:
        ConfigError: The file cannot be written.
    """
    files.save_json(path, {"format": _FORMAT} | asdict(calibration))


def load(path: Path, model_sha256: str) -> Calibration:
    """Read a calibration file.

    Args:
        path: A file that `save` wrote.
        model_sha256: SHA-256 of the model's file.

    Raises:
        SourceError: The file is missing or is not a calibration file.
        ModelError: The calibration belongs to another model.
    """
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if document.pop("format") != _FORMAT:
            raise ValueError("of another version")
        document["ranges"] = {
            key: (float(low), float(high)) for key, (low, high) in document["ranges"].items()
        }
        found = Calibration(**document)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"{path}: is no calibration file of this version ({graphs.reason(error)})"
        ) from None
    if found.model_sha256 != model_sha256:
        raise ModelError(
            f"{path}: was measured on another model (its SHA-256 is {found.model_sha256[:12]}...)"
        )
    return found
