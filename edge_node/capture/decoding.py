"""Decides whether a camera's video is decoded on the GPU, and remembers why not."""

from __future__ import annotations

import logging
import time

from edge_node.capture.readers.interface import FindGpu, GpuDecoder
from edge_node.config.camera_settings import CameraSettings
from edge_node.pictures import ON_CPU, ON_GPU, Decoding

log = logging.getLogger("darner.capture")

LOOK_S = 2.0
"""Interval at which a camera without a GPU looks whether its engine has moved to one, seconds."""
NOT_THIS_KIND = "only video files and RTSP streams are decoded on the GPU"
_NO_GPU = "the network does not run on an NVIDIA GPU"


class Choice:
    """Where one camera's video is decoded. What the GPU could not decode once is left to the processor.

    Args:
        camera: The camera's name.
        settings: Its settings.
        gpu: Finds the video decoder.

    Attributes:
        decoding: Where it is decoded now, as far as it is open.
        refused: Whether the GPU could not decode it.
    """

    def __init__(self, camera: str, settings: CameraSettings, gpu: FindGpu) -> None:
        self._camera, self._wanted, self._gpu = camera, settings.decoder, gpu
        self._told: str | None = None
        self._unfit: str | None = None
        self._without, self._next_look_s = False, 0.0
        self.decoding = ON_CPU
        self.refused = False

    def take(self, unfit: str | None = None) -> GpuDecoder | None:
        """The decoder to try when the source is opened; None: decode on the processor.

        Args:
            unfit: Why the source is not decoded on a GPU, whatever it holds; None: it may be.
        """
        if self._wanted == "cpu" or self.refused:
            return None
        self._unfit = unfit
        gpu = self._usable()
        if self._without:
            self.on_cpu(_NO_GPU if self._wanted == "gpu" else None)
        return gpu

    def may_move(self) -> bool:
        """Whether a GPU that can decode came after the source was opened; asked for each frame."""
        if not self._without:
            return False
        now_s = time.monotonic()
        if now_s < self._next_look_s:
            return False
        self._next_look_s = now_s + LOOK_S
        return self._usable() is not None

    def _usable(self) -> GpuDecoder | None:
        """The decoder; None if there is no GPU, or if something speaks against it, which is told."""
        gpu = self._gpu()
        self._without = gpu is None
        if gpu is None:
            return None
        if self._unfit is None and not isinstance(gpu, str):
            return gpu
        self.on_cpu(self._unfit or str(gpu))
        return None

    def on_gpu(self) -> None:
        """Take in that the GPU decodes."""
        self.decoding = ON_GPU

    def refuse(self, why: str) -> None:
        """Take in that the GPU cannot decode the source, or no more."""
        self.refused = True
        self.on_cpu(why)

    def on_cpu(self, why: str | None) -> None:
        """Take in that the processor decodes, and tell the reason once."""
        self.decoding = ON_CPU if why is None else Decoding("cpu", why)
        if why is not None and why != self._told:
            self._told = why
            level = logging.WARNING if self._wanted == "gpu" else logging.INFO
            log.log(level, "camera %s: its video is decoded on the processor: %s", self._camera, why)
