"""TensorRT's Python module, and its messages in our log."""

from __future__ import annotations

import functools
import importlib
import logging
import re
from types import ModuleType
from typing import Any

from shared.errors import ModelError

log = logging.getLogger(__name__)
_UNKNOWN = re.compile(r"No importer registered for op: (\w+)")


def import_tensorrt() -> ModuleType:
    """The module `tensorrt`, or that of TensorRT for RTX, which has the same interface.

    Raises:
        ModelError: Neither is installed, or it cannot be loaded.
    """
    for name in ("tensorrt", "tensorrt_rtx_bindings"):
        try:
            return importlib.import_module(name)
        except ImportError as error:
            if error.name != name:
                raise ModelError(f"{name} is installed but cannot be loaded: {error}") from None
    raise ModelError(
        "TensorRT is not installed: pip install 'darner[trt]' on a PC; on a Jetson it comes with JetPack "
        "(apt install python3-libnvinfer)"
    )


@functools.cache
def logger(trt: ModuleType) -> Any:
    """The logger for TensorRT, which passes messages to our log and keeps an error for our own messages.

    There is one for the process, and it is never freed: TensorRT and its plugins keep the first logger they
    get.

    Args:
        trt: The module.

    Returns:
        A logger with a method `reason`: the first error since the last call, as the end of a sentence. And
        with an attribute `operator`: the last operator that the ONNX parser did not know.
    """

    class Bridge(trt.ILogger):  # type: ignore[misc, name-defined]  # untyped
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.error = ""
            self.operator = ""

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
                # The first error is the cause; later ones follow from it.
                self.error = self.error or message.strip()
                log.debug("TensorRT: %s", message)
            elif unknown := _UNKNOWN.search(message):
                self.operator = unknown.group(1)  # 8.6 does not name it in the error
            elif severity == trt.ILogger.Severity.WARNING:
                log.info("TensorRT: %s", message)
            else:
                log.debug("TensorRT: %s", message)

        def reason(self) -> str:
            error, self.error = self.error, ""
            return f" ({error})" if error else ""

    return Bridge()
