"""What happens when a GPU fails while it works: one clear error, or the same model on the processor.

A GPU that falls off the bus, or whose memory is damaged, fails every call from then on, in this process at
least. So nothing that was prepared on it is used again, not even to be freed in order.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from edge_node.backends.cuda.device import Device
from edge_node.backends.interface import Backend, Inference, OutOfMemory, Pending, Wanted, joined
from edge_node.backends.preprocess import InputFormat
from edge_node.pictures import OnGpu, Picture
from shared.errors import ModelError

log = logging.getLogger("darner.backend")


class GpuFailed(ModelError):  # noqa: N818 - said as it is, like OutOfMemory
    """The GPU fails every call; a new process may find it well again."""


class Rescued:
    """Runs another engine on a GPU for as long as the GPU works; see `Backend`.

    It goes on to letterbox if that engine did: the processor's engine takes pictures of any size, too.

    Args:
        backend: The engine.
        gpu: Its GPU.
        other: Makes the engine that takes over when the GPU fails; None: `GpuFailed` is raised instead.
    """

    def __init__(self, backend: Backend, gpu: Device, other: Callable[[], Backend] | None) -> None:
        self._backend, self._gpu, self._other = backend, gpu, other
        self._failed: str | None = None
        # For the change, because two batches in flight fail together, and for the processor's engine: one
        # thread may run a batch there again while another submits the next one.
        self._lock = threading.Lock()
        self.letterboxes = backend.letterboxes
        self._follow()

    def _follow(self) -> None:
        """Be what the running engine is; it may have changed, too, from ONNX Runtime to TensorRT."""
        backend = self._backend
        self.name, self.device, self.model = backend.name, backend.device, backend.model
        self.max_batch, self.in_flight = backend.max_batch, backend.in_flight
        self.pictures = backend.pictures

    def submit(
        self, images: Sequence[Picture], target: InputFormat, wanted: Wanted | None
    ) -> Pending[Inference]:
        """See `Backend`. A batch that was on a GPU as it failed runs again on the processor.

        Raises:
            GpuFailed: The GPU has failed, and no other engine may take over.
        """
        backend = self._backend
        if self._failed is not None:
            return self._on_processor(images, target, wanted)
        try:
            pending = backend.submit(images, target, wanted)
        except Exception as error:  # noqa: BLE001 - CUDA, TensorRT and ONNX Runtime have no common base
            return Pending.of(self._again(backend, error, images, target, wanted))
        finally:
            self._follow()

        def collect() -> Inference:
            try:
                return pending.collect()
            except Exception as error:  # noqa: BLE001 - as above
                return self._again(backend, error, images, target, wanted)

        return Pending(collect, done=pending.done)

    def close(self) -> None:
        """Release everything that a working device lets go of."""
        try:
            self._backend.close()
        except Exception as error:
            if self._gpu.failure() is None:
                raise
            log.debug("closed after the GPU has failed: %s", error)

    def _again(
        self,
        backend: Backend,
        error: Exception,
        images: Sequence[Picture],
        target: InputFormat,
        wanted: Wanted | None,
    ) -> Inference:
        """Run a batch on the processor if `backend` failed because its GPU has; else raise the error."""
        with self._lock:
            if self._backend is backend:
                failure = None if isinstance(error, OutOfMemory) or self._failed else self._gpu.failure()
                if failure is None:
                    raise error
                self._change(failure, error)
        parts = []
        while images:
            count = min(len(images), self._backend.max_batch)
            parts.append(self._on_processor(images[:count], target, wanted).collect())
            images = images[count:]
        return joined(parts)

    def _on_processor(
        self, images: Sequence[Picture], target: InputFormat, wanted: Wanted | None
    ) -> Pending[Inference]:
        """Start a batch in the engine that has taken over.

        Raises:
            GpuFailed: The failed GPU has a picture in its memory.
        """
        if any(isinstance(image, OnGpu) for image in images):
            raise GpuFailed(f"{self._gpu.name} has failed ({self._failed}), with the pictures in its memory")
        with self._lock:
            try:
                return self._backend.submit(images, target, wanted)
            finally:
                self._follow()

    def _change(self, failure: str, error: Exception) -> None:
        """Let the other engine take over.

        Raises:
            GpuFailed: There is none.
        """
        gpu, before = self._gpu.name, self._backend.name
        log.debug("%s has failed: %s", gpu, failure, exc_info=error)
        if self._other is None:
            raise GpuFailed(
                f"{gpu} has failed while it worked ({failure}); start the node again; if this comes back, "
                "look for NVRM or Xid in the kernel's log (journalctl -k); model.allow_fallback=true lets "
                "the node go on with the processor"
            ) from error
        other = self._other()
        self._failed = failure  # first: `submit` must not take the new engine for one on the GPU
        self._backend = other
        self._follow()
        log.error(
            "%s has failed (%s): the model runs with %s on %s instead of %s, until the node is started again",
            gpu,
            failure,
            self._backend.name,
            self._backend.device,
            before,
        )
