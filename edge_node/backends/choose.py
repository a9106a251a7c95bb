"""Which engine runs a model: the fastest that works on this machine and for which there is a file."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from edge_node.assets.models import KNOWN, find_model
from edge_node.backends.host import MAX_BATCH
from edge_node.backends.interface import Backend
from edge_node.backends.tensorrt.verdict import Verdict
from edge_node.config.model_settings import ModelSettings
from shared.errors import ModelError
from shared.files import at_home, is_readable
from shared.log import Once

log = logging.getLogger("darner.backend")
_said = Once()

BackendName = Literal["tensorrt", "onnxruntime", "torch", "kserve"]

_SUFFIXES: dict[str, BackendName] = {
    ".engine": "tensorrt",
    ".plan": "tensorrt",
    ".onnx": "onnxruntime",
    ".pt2": "torch",
    ".torchscript": "torch",
    ".pt": "torch",
}
"""The engine for each suffix of a file, the fastest engine first."""
_SERVERS = ("http://", "https://", "grpc://", "grpcs://")


@dataclass(frozen=True, kw_only=True)
class Building:
    """What happens where TensorRT has to build an engine first.

    Attributes:
        meanwhile: Whether another engine may run meanwhile, as the settings say; False: wait.
        check: Compares the engine with its ONNX file, for a model and a GPU; None: it is not checked.
    """

    meanwhile: bool = False
    check: Callable[[ModelSettings, int, Path, Path], Verdict] | None = None


WAIT = Building()


def choose(settings: ModelSettings, device: int = 0, building: Building = WAIT) -> Backend:
    """Load a model into the best engine.

    Args:
        settings: `name` is a file, a known model or a server's address; `backend` is an engine or "auto".
            Files with the same stem in the same folder count as the same model.
        device: Number of the GPU, for engines that run on one.
        building: What happens where TensorRT has to build an engine.

    Raises:
        ModelError: No engine can run the model, or the named engine cannot; the text says why.
    """
    if is_on_server(settings):
        return _on_server(settings)
    refused: list[str] = []
    files = candidates(settings)
    for engine, path in files:
        try:
            backend = _load(engine, path, settings, device, building)
        except ModelError as error:
            why = str(error).removeprefix(f"model {path}: ")
            other = _on_processor(path, settings) if engine == "tensorrt" else None
            if settings.backend != "auto" and other:
                log.warning("model %s runs on the processor: %s", path, why)
                return other()
            if settings.backend != "auto" or len(files) == 1:
                raise ModelError(f"model {path}: {why}") from None
            refused.append(f"{path.name} is not used: {why}")
            continue
        line = "; ".join([f"model {path} runs with {backend.name} on {backend.device}", *refused])
        if _said(line):  # once, although there may be several detectors
            log.info("%s", line)
        return backend
    raise ModelError(f"model {settings.name!r}: {'; '.join(refused)}")


def is_on_server(settings: ModelSettings) -> bool:
    """Whether the model is on a server, so that there is no file of it here."""
    return settings.name.startswith(_SERVERS) or settings.backend == "kserve"


def candidates(settings: ModelSettings) -> list[tuple[BackendName, Path]]:
    """Engines and files to try for a model that is not on a server, best first; at least one.

    Raises:
        ModelError: There is no such model, or no file of it for the named engine.
    """
    named = at_home(settings.name)
    known = settings.name in KNOWN
    beside = [named.with_suffix(suffix) for suffix in _SUFFIXES] if named.suffix in _SUFFIXES else []
    there = [path for path in beside if is_readable(path)]
    if known or not there:
        there = [find_model(settings.name)]
    by_engine = [(_SUFFIXES.get(path.suffix, "onnxruntime"), path) for path in there]
    if settings.backend == "auto":
        return by_engine
    fitting = [(engine, path) for engine, path in by_engine if engine == settings.backend]
    # TensorRT builds its engine from an ONNX file.
    if not fitting and settings.backend == "tensorrt":
        fitting = [("tensorrt", path) for path in there if path.suffix == ".onnx"]
    if not fitting:
        suffixes = " or ".join(key for key, engine in _SUFFIXES.items() if engine == settings.backend)
        files = ", ".join(str(path) for path in there)
        raise ModelError(
            f"model.backend={settings.backend} needs a {suffixes} file; {settings.name!r} has only {files}"
        )
    # The file that the user named comes first.
    return sorted(fitting, key=lambda one: one[1] != named)


def _load(
    engine: BackendName, path: Path, settings: ModelSettings, device: int, building: Building
) -> Backend:
    """An engine with the model in it; only this engine's packages are imported.

    Raises:
        ModelError: The engine does not work on this machine.
    """
    if engine == "onnxruntime":
        return _onnx_runtime(path, settings, device)
    if engine == "torch":
        try:
            from edge_node.backends.torch import TorchBackend
        except ImportError as error:
            raise ModelError(f"model {path}: needs PyTorch ({error}): pip install 'darner[torch]'") from None
        return TorchBackend(path, settings, device)
    try:
        from edge_node.backends.tensorrt.backend import TensorrtBackend
    except ImportError as error:
        raise ModelError(f"model {path}: needs TensorRT ({error}): pip install 'darner[trt]'") from None
    other = partial(choose, replace(settings, backend="onnxruntime", name=str(path)), device)
    backend = TensorrtBackend(
        path,
        settings,
        device,
        meanwhile=other if building.meanwhile else None,
        check=partial(building.check, settings, device) if building.check else None,
    )
    return _rescued(backend, path, settings, device)


def _onnx_runtime(path: Path, settings: ModelSettings, device: int) -> Backend:
    from edge_node.backends.onnx import providers
    from edge_node.backends.onnx.backend import OnnxBackend

    if providers.prefers_cuda(settings.providers):
        from edge_node.backends.onnx.on_cuda import CudaOnnxBackend

        given = settings.provider_options.get("cuda")
        try:
            return _rescued(CudaOnnxBackend(path, MAX_BATCH, device, options=given), path, settings, device)
        except ModelError as error:
            log.warning("pictures are prepared on the CPU: %s", error)
    return OnnxBackend(path, settings, device)


def _rescued(backend: Backend, path: Path, settings: ModelSettings, device: int) -> Backend:
    """The engine, and what takes over when its GPU fails."""
    from edge_node.backends.cuda.device import device as gpu
    from edge_node.backends.rescue import Rescued

    return Rescued(backend, gpu(device), _on_processor(path, settings))


def _on_processor(path: Path, settings: ModelSettings) -> Callable[[], Backend] | None:
    """Makes the engine that may run instead of a GPU's; None where settings or files do not allow it."""
    model = path.with_suffix(".onnx")
    if not settings.allow_fallback or not is_readable(model):
        return None

    def load() -> Backend:
        from edge_node.backends.onnx.backend import OnnxBackend

        return OnnxBackend(model, replace(settings, providers=("cpu",), provider_options={}))

    return load


def _on_server(settings: ModelSettings) -> Backend:
    if settings.backend not in ("auto", "kserve") or not settings.name.startswith(_SERVERS):
        raise ModelError(
            f"model.backend={settings.backend} does not fit model.name={settings.name!r}: the kserve backend "
            "takes http://HOST:PORT/MODEL or grpc://HOST:PORT/MODEL, and no other backend takes these"
        )
    try:
        from edge_node.backends.kserve import KserveBackend
    except ImportError as error:
        raise ModelError(
            f"model {settings.name}: needs tritonclient ({error}): pip install 'darner[kserve]'"
        ) from None
    return KserveBackend(settings)
