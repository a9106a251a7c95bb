"""ONNX Runtime's execution providers: which ones to ask for, and which ones a session got."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime as ort

from edge_node.assets.download import cache_dir
from edge_node.assets.names import Provider
from shared.errors import ModelError
from shared.log import Once

log = logging.getLogger("darner.backend")
_said = Once()

_PLACE = re.compile(r"^\S+\.cc:\d+ .*\) ")
"""Where in its source an error arose, which ONNX Runtime puts before what happened."""
_NAMES: dict[Provider, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
_PACKAGES: dict[Provider, str] = {
    "cpu": "onnxruntime",
    "cuda": "onnxruntime-gpu",
    "tensorrt": "onnxruntime-gpu, with TensorRT",
    "openvino": "onnxruntime-openvino",
    "coreml": "onnxruntime on macOS",
}


def prefers_cuda(configured: Sequence[Provider]) -> bool:
    """Whether NVIDIA's GPU comes first, by setting or by default, and this ONNX Runtime supports it."""
    return tuple(configured[:1]) in ((), ("cuda",)) and _NAMES["cuda"] in ort.get_available_providers()


def wanted(configured: Sequence[Provider], *, allow_fallback: bool) -> tuple[Provider, ...]:
    """The providers to ask for. The last one is always cpu, which runs the nodes that the others leave.

    Args:
        configured: By the user; empty for cuda if ONNX Runtime was built with it, else cpu.
        allow_fallback: Whether to leave out providers that this ONNX Runtime lacks.

    Raises:
        ModelError: This ONNX Runtime lacks one of the providers.
    """
    built_with = ort.get_available_providers()
    names = tuple(configured) or (("cuda",) if _NAMES["cuda"] in built_with else ("cpu",))
    lacking = [name for name in names if _NAMES[name] not in built_with]
    for name in lacking:
        text = (
            f"model.providers: this ONNX Runtime ({ort.__version__}) has no provider {name!r}; "
            f"the package {_PACKAGES[name]} has it"
        )
        if not allow_fallback:
            raise ModelError(text)
        log.warning("%s; continuing without it", text)
    kept = tuple(name for name in names if name not in lacking and name != "cpu")
    return (*kept, "cpu")


OfProvider = Mapping[str, str | int | float | bool]
"""What a user sets for a provider, under ONNX Runtime's names."""
Options = Mapping[Provider, OfProvider]
"""The same by provider."""


def options(
    names: Sequence[Provider], index: int = 0, configured: Options | None = None
) -> list[tuple[str, dict[str, Any]]]:
    """ONNX Runtime's names and options for providers.

    Args:
        names: The providers.
        index: Number of the GPU.
        configured: By the user; they replace ours.
    """
    settings: dict[Provider, dict[str, Any]] = {
        "cuda": {"device_id": index},
        "openvino": {"device_type": "CPU"},
    }
    if "tensorrt" in names:  # else nothing is cached, and no folder is needed
        settings["tensorrt"] = {
            "device_id": index,
            "trt_engine_cache_enable": True,
            "trt_engine_cache_path": str(cache_dir() / "onnxruntime-tensorrt"),
        }
    given = configured or {}
    return [
        (
            _NAMES[name],
            settings.get(name, {}) | {key: str(value) for key, value in given.get(name, {}).items()},
        )
        for name in names
    ]


def open_session(
    model: Path | bytes,
    session_options: ort.SessionOptions,
    names: Sequence[Provider],
    index: int,
    configured: Options,
) -> ort.InferenceSession:
    """A session with these providers.

    A provider that refuses an option raises an error or, of a wrong value, only logs it and is left out.

    Raises:
        ModelError: ONNX Runtime refuses the user's options.
        Exception: The model cannot be loaded.
    """
    for name, given in configured.items():
        if given and name not in names and _said(name):
            log.warning(
                "model.provider_options.%s has no effect: this ONNX Runtime has no provider %r; the package "
                "%s has it",
                name,
                name,
                _PACKAGES[name],
            )
    configured = {name: given for name, given in configured.items() if given and name in names}
    plain = options(names, index)
    if not configured:
        return ort.InferenceSession(model, session_options, providers=plain)
    why = ""
    try:
        # By default, it prints that it refuses an option, and goes on with the CPU.
        session = ort.InferenceSession(
            model, session_options, providers=options(names, index, configured), enable_fallback=0
        )
    except Exception as error:  # noqa: BLE001 - ONNX Runtime has no common base for "this option is bad"
        why = _PLACE.sub("", str(error).strip()).partition("\n")[0]
    else:
        if _has(session, configured):
            return session
    without = ort.InferenceSession(model, session_options, providers=plain)  # else the model is to blame
    if not _has(without, configured):
        return without  # the provider does not start without them either, so they are not to blame
    said = ", ".join(
        f"model.provider_options.{name}.{key}={value}"
        for name, given in configured.items()
        for key, value in given.items()
    )
    raise ModelError(f"{said}: ONNX Runtime {ort.__version__} refuses this: {why or 'see its message above'}")


def _has(session: ort.InferenceSession, names: Iterable[Provider]) -> bool:
    return {_NAMES[name] for name in names} <= set(session.get_providers())


def started(
    session: ort.InferenceSession,
    names: Sequence[Provider],
    configured: Sequence[Provider],
    *,
    allow_fallback: bool,
) -> tuple[Provider, ...]:
    """The providers that a session really has; ONNX Runtime only logs that one did not start.

    Raises:
        ModelError: One that the user named did not start.
    """
    came = session.get_providers()
    missing = [name for name in names if _NAMES[name] not in came]
    for name in missing:
        text = (
            f"model.providers: ONNX Runtime cannot start {name!r} here "
            "(driver, libraries or versions do not match; its own messages above say more)"
        )
        if name in configured and not allow_fallback:
            raise ModelError(f"{text}. Set model.allow_fallback=true to continue without it")
        log.warning("%s; continuing with %s", text, ", ".join(n for n in names if n not in missing))
    return tuple(name for name in names if name not in missing)
