"""PyTorch: TorchScript and `torch.export` files, and Ultralytics' checkpoints if the user has Ultralytics."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from edge_node.assets.download import sha256
from edge_node.backends.beside import IN_FLIGHT, Beside
from edge_node.backends.host import HostInput, PictureInput, by_picture, picture_first
from edge_node.backends.interface import Array, Axis, Inference, ModelFile, Pending, Tensor, Wanted
from edge_node.backends.preprocess import InputFormat
from edge_node.backends.sizes import DEFAULT_SIDE
from edge_node.config.model_settings import ModelSettings
from edge_node.machine.hardware import usable_cores
from edge_node.pictures import U8, Picture
from shared.errors import ModelError

_EXTRA = "config.txt"
"""The file inside Ultralytics' exports that holds class names and size as JSON."""
_DTYPES = {torch.float32: "float32", torch.float16: "float16", torch.uint8: "uint8", torch.int64: "int64"}


class TorchBackend:
    """Runs a PyTorch model, on the GPU if PyTorch has one.

    A TorchScript file does not say what it takes. It gets one picture at a time, of a fixed size: that is
    `input_size`, else `imgsz` in its extra file "config.txt", else 640.

    Args:
        path: `.pt2` is a file of `torch.export`; any other is TorchScript or a checkpoint of Ultralytics. A
            checkpoint is a pickle: loading it can run any code.
        settings: Threads and input size.
        index: Number of the GPU.

    Raises:
        ModelError: PyTorch cannot load or run the file.
    """

    letterboxes, pictures = False, None

    def __init__(self, path: Path, settings: ModelSettings | None = None, index: int = 0) -> None:
        settings = settings or ModelSettings()
        torch.set_num_threads(settings.threads or usable_cores())
        self._path = path
        self._device = torch.device(f"cuda:{index}" if torch.cuda.is_available() else "cpu")
        self.name = f"torch {torch.__version__.split('+')[0]}"
        self.device = self._device.type
        self._run, inputs, metadata = _load(path, self._device, settings.input_size)
        self._order = [item.name for item in inputs]
        unknown = ModelFile(picture_first(inputs), (), metadata)
        self._picture = PictureInput.of(unknown, str(path))
        side = settings.input_size or unknown.trained_size or DEFAULT_SIDE
        size = InputFormat(self._picture.width or side, self._picture.height or side)
        # Only a run shows what the outputs are.
        self._prepare = HostInput(unknown, self._picture)
        blank: U8 = torch.zeros((size.height, size.width, 3), dtype=torch.uint8).numpy()
        first = self._outputs(self._prepare([blank], size)[0])
        free = self._picture.width is None
        outputs = tuple(
            Tensor(f"output{index}", _open_axes(item.shape, free=free), item.dtype.name)
            for index, item in enumerate(first)
        )
        self.model = ModelFile(unknown.inputs, outputs, metadata, sha256(path))
        self.max_batch = self._picture.max_batch if self.model.has_batch_axis else 1
        # On a processor, a second batch would only share the cores with the first.
        self._beside = Beside(self.model, self._picture, self._outputs) if self.device == "cuda" else None
        self.in_flight = IN_FLIGHT if self._beside else 1

    def submit(
        self,
        images: Sequence[Picture],
        target: InputFormat,
        wanted: Wanted | None,  # noqa: ARG002 - everything is left to the decoder
    ) -> Pending[Inference]:
        """See `Backend`; everything is left to the decoder."""
        if self._beside is not None:
            return self._beside.submit(images, target)
        start = time.perf_counter()
        feeds, fits = self._prepare(images, target)
        ready = time.perf_counter()
        raw = self._outputs(feeds)
        done = time.perf_counter()
        outputs = by_picture(raw, self.model, len(images))
        return Pending.of(Inference(outputs, fits, (ready - start) * 1e3, (done - ready) * 1e3))

    def close(self) -> None:
        """Release the network's memory."""
        if self._beside is not None:
            self._beside.close()
        del self._run

    def _outputs(self, feeds: Mapping[str, Array]) -> list[Array]:
        inputs = [torch.from_numpy(feeds[name]).to(self._device) for name in self._order]
        try:
            with torch.inference_mode():
                result = self._run(*inputs)
        except Exception as error:  # noqa: BLE001 - a script may raise anything
            raise ModelError(f"model {self._path}: PyTorch cannot run it: {_last_line(error)}") from None
        return [tensor.float().cpu().numpy() for tensor in _tensors(result)]


def _load(path: Path, device: torch.device, size: int) -> tuple[Any, list[Tensor], dict[str, str]]:
    """The network to call, its inputs in calling order, and the metadata.

    Raises:
        ModelError: Nothing here can read the file.
    """
    extra = {_EXTRA: ""}
    if path.suffix == ".pt2":
        try:
            program = torch.export.load(path, extra_files=extra)
            network = program.module().to(device)
        except Exception as error:  # noqa: BLE001 - PyTorch has no common base for "this file is bad"
            raise ModelError(f"model {path}: torch.export cannot load it: {_last_line(error)}") from None
        return network, _program_inputs(program), _metadata(extra)
    try:
        network = torch.jit.load(path, map_location=device, _extra_files=extra).eval()
    except Exception as error:  # noqa: BLE001 - PyTorch raises what it likes
        reason = _last_line(error)
        network = _ultralytics(path, device, reason)
        metadata = {"names": json.dumps(list(network.names.values()))}
    else:
        metadata = _metadata(extra)
    kind = next((item.dtype for item in network.parameters()), torch.float32)
    side = size or ModelFile((), (), metadata).trained_size or DEFAULT_SIDE
    return network, [Tensor("images", (1, 3, side, side), _DTYPES.get(kind, "float32"))], metadata


def _ultralytics(path: Path, device: torch.device, reason: str) -> Any:
    try:
        from ultralytics import YOLO
    except ImportError:
        raise ModelError(
            f"model {path}: is not a TorchScript file ({reason}); for an Ultralytics checkpoint, install "
            "ultralytics (AGPL-3.0) or export the model to ONNX"
        ) from None
    try:
        network = YOLO(path).model.to(device).float().eval()
    except Exception as error:  # noqa: BLE001 - PyTorch raises what it likes
        raise ModelError(f"model {path}: Ultralytics cannot load it: {_last_line(error)}") from None
    # The first tensor has the predictions; the others are for training.
    network.register_forward_hook(lambda _network, _inputs, result: next(_tensors(result)))
    return network


def _program_inputs(program: Any) -> list[Tensor]:
    """The inputs of an exported program; a symbol stands for an axis of any length."""
    wanted = set(program.graph_signature.user_inputs)
    found = []
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in wanted:
            value = node.meta["val"]
            shape = tuple(axis if isinstance(axis, int) else None for axis in value.shape)
            found.append(Tensor(node.name, shape, _DTYPES.get(value.dtype, str(value.dtype))))
    return found


def _metadata(extra: dict[str, Any]) -> dict[str, str]:
    """The extra file's values as texts by key, as an ONNX file has them."""
    try:
        found = json.loads(extra[_EXTRA] or "{}")
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}


def _open_axes(shape: tuple[int, ...], *, free: bool) -> tuple[Axis, ...]:
    """The shape of an output; if the picture may have any size (`free`), its longest axis is left open."""
    if not free:
        return shape
    longest = max(range(len(shape)), key=lambda index: shape[index])
    return tuple(None if index == longest else length for index, length in enumerate(shape))


def _tensors(result: Any) -> Iterator[torch.Tensor]:
    """The tensors in the tuples, lists and mappings that a network returns, however they are nested."""
    if isinstance(result, torch.Tensor):
        yield result
    elif isinstance(result, dict):
        for value in result.values():
            yield from _tensors(value)
    elif isinstance(result, (list, tuple)):
        for value in result:
            yield from _tensors(value)


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
