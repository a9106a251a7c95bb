"""Runs TensorRT engines: loads an engine's file, or builds an engine from an ONNX file."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from edge_node.assets.download import sha256
from edge_node.backends.cuda.device import Device, device
from edge_node.backends.cuda.memory import IN_FLIGHT
from edge_node.backends.cuda.picture import PinnedPool
from edge_node.backends.cuda.runner import CudaRunner
from edge_node.backends.interface import Backend, Inference, ModelFile, Pending, Wanted
from edge_node.backends.preprocess import InputFormat
from edge_node.backends.tensorrt import builder
from edge_node.backends.tensorrt.cache import EngineCache, build_options
from edge_node.backends.tensorrt.description import read
from edge_node.backends.tensorrt.engine import Engine
from edge_node.backends.tensorrt.module import import_tensorrt
from edge_node.backends.tensorrt.verdict import Check
from edge_node.config.model_settings import ModelSettings
from edge_node.machine.hardware import usable_cores
from edge_node.pictures import Lender, Picture
from shared.errors import ModelError

log = logging.getLogger("darner.backend")


class TensorrtBackend:
    """Runs a TensorRT engine; for an ONNX file, an engine is built first and kept.

    Args:
        path: An engine, as `darner-optimize build`, trtexec or Ultralytics write it, or an ONNX file.
        settings: How engines are built, and whether another engine runs meanwhile.
        index: Number of the GPU.
        graphs: Whether to record runs as CUDA graphs and replay them.
        meanwhile: Makes the other engine that runs while this one is built; None: wait until it is built.
        check: Compares a built engine with its ONNX file; None: engines are not checked.

    Raises:
        ModelError: There is no TensorRT or no GPU, or the engine is for another version or GPU or takes no
            picture.
    """

    letterboxes = True
    in_flight = IN_FLIGHT

    def __init__(
        self,
        path: Path,
        settings: ModelSettings,
        index: int = 0,
        *,
        graphs: bool = True,
        meanwhile: Callable[[], Backend] | None = None,
        check: Check | None = None,
    ) -> None:
        try:
            self._trt, self._gpu = import_tensorrt(), device(index)
        except ModelError as error:
            raise ModelError(f"model {path}: {error}") from None
        self._graphs, self._threads = graphs, settings.threads or usable_cores()
        self._meanwhile: Backend | None = None
        self._loaded: _Loaded | None = None
        self._built: list[_Loaded | ModelError] = []
        self._handover, self._closed = threading.Lock(), False
        self._pictures = PinnedPool(self._gpu)
        self._built_from = sha256(path) if path.suffix == ".onnx" else None
        if path.suffix != ".onnx":
            self._take(self._load(path))
            return
        cache = EngineCache(limit_mb=settings.tensorrt.cache_mb)
        options = build_options(settings)
        check = check if settings.tensorrt.check else None
        key = (self._trt, self._gpu.name, self._gpu.capability, path, options)
        if settings.tensorrt.while_building == "wait":
            meanwhile = None
        decided = cache.decided(cache.path(*key), check)
        self._open(partial(cache.get, *key, check), path, meanwhile, decided=decided)

    def _open(
        self, get: Callable[[], Path], path: Path, meanwhile: Callable[[], Backend] | None, *, decided: bool
    ) -> None:
        """Load the engine that `get` returns; another one runs until then, or for good if it is refused."""
        if not decided and (other := _other(meanwhile, path)):
            self._run_with(other)
            self._start_building(get, path, other)
            return
        try:
            with self._gpu.current():
                engine = get()
            self._take(self._load(engine))
        except ModelError as error:
            # In the run that built the engine and refused it, the other one went on, so it runs now, too.
            another = _other(meanwhile, path) if decided else None
            if another is None:
                raise
            self._run_with(another)
            log.warning("the model stays with %s on %s: %s", another.name, another.device, error)

    def _load(self, path: Path) -> _Loaded:
        return _Loaded(self._trt, self._gpu, path, self._built_from, graphs=self._graphs)

    def _take(self, loaded: _Loaded) -> None:
        self._loaded = loaded
        self.name, self.device = f"tensorrt {self._trt.__version__}", self._gpu.name
        self.model, self.max_batch = loaded.model, loaded.runner.max_batch

    @property
    def pictures(self) -> Lender | None:
        """See `Backend`; while the engine is built, those of the other engine."""
        if self._loaded:
            return self._loaded.runner.pictures
        # The processor needs none, but cameras that are opened now should decode where the engine will run.
        return (self._meanwhile.pictures if self._meanwhile else None) or self._pictures

    def _run_with(self, other: Backend) -> None:
        self._meanwhile = other
        self.name, self.device, self.model = other.name, other.device, other.model
        # On a CPU, a larger batch gains nothing once every thread has a picture: see `Detector.usual_batch`.
        self._most = self._threads if other.device == "cpu" else other.max_batch
        self.max_batch = min(self._most, other.max_batch)

    def _start_building(self, get: Callable[[], Path], path: Path, other: Backend) -> None:
        """Build the engine in a thread of its own, and load it there: cameras need not wait for either."""

        def work() -> None:
            built: _Loaded | ModelError
            try:
                with self._gpu.current():
                    engine = get()
                built = self._load(engine)
            except ModelError as error:
                built = error
            except Exception as error:  # builder, CUDA and disk have no common base
                log.debug("building failed", exc_info=True)
                built = ModelError(f"model {path}: its engine cannot be built: {error}")
            with self._handover:
                if not self._closed:
                    self._built.append(built)
                elif isinstance(built, _Loaded):
                    built.runner.close()

        log.info(
            "model %s runs with %s on %s until its TensorRT engine is built, which takes minutes; until then "
            "it may be too slow for many cameras (model.tensorrt.while_building=wait begins with the engine)",
            path,
            other.name,
            other.device,
        )
        builder.start(work)

    def submit(
        self, images: Sequence[Picture], target: InputFormat, wanted: Wanted | None
    ) -> Pending[Inference]:
        """See `CudaRunner.submit`; while the engine is built, the other engine runs the batch."""
        if self._meanwhile and self._built:
            self._switch(self._meanwhile, self._built.pop())
        runs = self._loaded.runner if self._loaded else self._meanwhile
        assert runs  # noqa: S101 - one of the two is there
        try:
            pending = runs.submit(images, target, wanted)
            # Collected here, because the other engine is closed as soon as this one is built.
            return pending if runs is not self._meanwhile else Pending.of(pending.collect())
        finally:
            self.max_batch = min(self._most, runs.max_batch) if runs is self._meanwhile else runs.max_batch

    def _switch(self, meanwhile: Backend, built: _Loaded | ModelError) -> None:
        if isinstance(built, ModelError):
            log.warning("the model stays with %s: %s", meanwhile.name, built)
            return
        self._take(built)
        log.info("the TensorRT engine is built: the model runs with %s from now on", self.name)
        self._meanwhile = None
        meanwhile.close()
        self._pictures.close()

    def close(self) -> None:
        """Release everything."""
        with self._handover:
            self._closed = True
        for built in self._built:  # while nothing was submitted any more
            if isinstance(built, _Loaded):
                built.runner.close()
        if self._loaded:
            self._loaded.runner.close()
        if self._meanwhile:
            self._meanwhile.close()
        self._pictures.close()


def _other(make: Callable[[], Backend] | None, path: Path) -> Backend | None:
    """The engine that runs while one is built; None if there is none for this model."""
    if make is None:
        return None
    try:
        return make()
    except ModelError as error:
        log.info("no other engine can run model %s while TensorRT builds: %s", path, error)
        return None


class _Loaded:
    """An engine ready to run."""

    def __init__(self, trt: Any, gpu: Device, path: Path, built_from: str | None, *, graphs: bool) -> None:
        file = read(path)
        metadata = file.metadata
        with gpu.current():
            stream = gpu.driver.Stream()
            network = Engine(trt, gpu, path, file.blob, stream.handle, file.outputs)
        # A model of any size may have been built for smaller pictures than it was trained with.
        most = max(max(largest[2:]) for _, _, largest in network.profiles)
        trained = ModelFile((), (), metadata).trained_size
        if trained is None or trained > most:
            metadata = {**metadata, "imgsz": str(most)}
        self.model = ModelFile(
            network.inputs, network.output_tensors, metadata, built_from or file.model_sha256
        )
        self.runner = CudaRunner(gpu, network, stream, graphs=graphs)
