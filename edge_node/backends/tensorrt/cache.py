"""TensorRT engines built on this box, under a key of model, GPU, version and options."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge_node.assets.download import cache_dir, sha256
from edge_node.backends.tensorrt.build import MB, BuildOptions, Built, build
from edge_node.backends.tensorrt.description import seconds_of, sidecar
from edge_node.backends.tensorrt.verdict import Check, Verdict
from edge_node.config.model_settings import ModelSettings
from shared.errors import ModelError
from shared.files import open_lock, write_whole

log = logging.getLogger("darner.backend")


def build_options(model: ModelSettings) -> BuildOptions:
    """The build options that the settings ask for."""
    settings = model.tensorrt
    most = settings.max_batch
    profiles = ((1, 1, 1),) if most == 1 else ((1, 1, 1), (1, max(most // 2, 1), most))
    return BuildOptions(
        precision=settings.precision,
        profiles=profiles,
        side=model.input_size,
        square=not model.rectangular,
        workspace_mb=settings.workspace_mb,
        level=settings.level,
    )


def engines_folder() -> Path:
    """The folder in Darner's cache that keeps engines."""
    return cache_dir() / "engines"


def save(path: Path, built: Built) -> None:
    """Write an engine and the file beside it; each appears only when it is complete.

    Args:
        path: Path of the engine.
        built: The engine and the facts about it.

    Raises:
        ModelError: The files cannot be written.
    """
    facts = built.description | {
        "sha256": hashlib.sha256(built.engine).hexdigest(),
        "bytes": len(built.engine),
        "metadata": dict(built.metadata),
    }
    try:
        # The sidecar vouches for the engine, so it is written last: half a pair never counts.
        sidecar(path).unlink(missing_ok=True)
        write_whole(path, built.engine)
        write_whole(sidecar(path), json.dumps(facts, indent=2).encode())
    except OSError as error:
        raise ModelError(f"{path}: cannot be written ({error.strerror})") from None


def note(path: Path, verdict: Verdict) -> None:
    """Write the result of checking an engine into the file beside it.

    Raises:
        ModelError: The file cannot be written.
    """
    try:
        facts = json.loads(sidecar(path).read_text(encoding="utf-8"))
        write_whole(sidecar(path), json.dumps(facts | {"check": str(verdict)}, indent=2).encode())
    except OSError as error:
        raise ModelError(f"{sidecar(path)}: cannot be written ({error.strerror})") from None


def discard(path: Path) -> None:
    """Delete an engine and the file beside it."""
    for file in (sidecar(path), path):
        file.unlink(missing_ok=True)


class EngineCache:
    """Engines in a folder that several processes may share.

    Args:
        folder: Made when needed; None for the one in Darner's cache.
        limit_mb: Maximum megabytes of engines to keep.
    """

    def __init__(self, folder: Path | None = None, limit_mb: int = 4096) -> None:
        self._folder = folder or engines_folder()
        self._limit = limit_mb * MB

    def path(
        self, trt: Any, gpu: str, capability: tuple[int, int], model: Path, options: BuildOptions
    ) -> Path:
        """The path of a model's engine, which need not exist.

        Args:
            trt: The module.
            gpu: Name of the GPU, on which TensorRT tried the kernels.
            capability: Its compute capability.
            model: The ONNX file; its content counts, not its name.
            options: How the engine is built.
        """
        parts = [sha256(model), trt.__version__, gpu, list(capability), asdict(options)]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]
        return self._folder / f"{model.stem[:64]}-{key}.engine"

    def find(self, path: Path) -> bool:
        """Whether there is a whole engine, which then counts as used now."""
        return self._facts(path) is not None

    def decided(self, path: Path, check: Check | None) -> bool:
        """Whether `get` returns without building: there is an engine, or it was refused before."""
        return self.find(path) or (check is not None and _refusal(path) is not None)

    def _facts(self, path: Path) -> dict[str, Any] | None:
        """What is known about a whole engine; None if there is none."""
        try:
            facts: dict[str, Any] = json.loads(sidecar(path).read_text(encoding="utf-8"))
            known = "outputs" in facts  # older versions did not keep their order
            if not known or path.stat().st_size != facts["bytes"] or sha256(path) != facts["sha256"]:
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        with contextlib.suppress(OSError):  # engines may lie on a volume that is only to be read
            os.utime(path)
        return facts

    def get(
        self,
        trt: Any,
        gpu: str,
        capability: tuple[int, int],
        model: Path,
        options: BuildOptions,
        check: Check | None = None,
    ) -> Path:
        """The path of a model's engine. If there is none, it is built, by one process at a time.

        Args:
            trt: The module.
            gpu: Name of the GPU.
            capability: Its compute capability.
            model: The ONNX file.
            options: How to build it.
            check: Compares an engine with the ONNX file, once; one that finds something else is not kept, and
                not built again until somebody deletes the file that says so. None: engines are not checked.

        Raises:
            ModelError: The engine cannot be built or written, or it was refused.
        """
        path = self.path(trt, gpu, capability, model, options)
        if self._ready(path, check):
            return path
        with self._locked(path):
            if self._ready(path, check):  # another process built it meanwhile
                return path
            if check and (refusal := _refusal(path)):
                raise _refused(model, refusal, path)
            if not self.find(path):
                self._build(trt, gpu, model, options, path)
            if check:
                self._check(model, path, check(model, path))
        self._trim(path)
        return path

    def _ready(self, path: Path, check: Check | None) -> bool:
        facts = self._facts(path)
        return facts is not None and (check is None or "check" in facts)

    def _build(self, trt: Any, gpu: str, model: Path, options: BuildOptions, path: Path) -> None:
        if path.exists():
            log.warning("%s is damaged or of an older Darner, and is built again", path)
        log.info(
            "no engine of %s for TensorRT %s, %s and these settings: building it takes minutes",
            model.name,
            trt.__version__,
            gpu,
        )
        timings = self._folder / f"{trt.__version__}-{hashlib.sha256(gpu.encode()).hexdigest()[:12]}.timing"
        known = timings.read_bytes() if timings.is_file() else b""
        built = build(trt, model, options, timing_cache=known, last_s=self._last_s(model, options.level))
        save(path, built)
        with contextlib.suppress(OSError):  # only speed is lost
            write_whole(timings, built.timing_cache)
        log.info("engine of %s built in %.0f s: %s", model.name, built.seconds, path)

    def _last_s(self, model: Path, level: int) -> float | None:
        """Seconds that the latest build of a model of this name took."""
        beside = _newest_first(self._folder.glob(f"{glob.escape(model.stem[:64])}-*.engine.json"))
        known = (seconds_of(path, level) for path, _ in beside)
        return next((seconds for seconds in known if seconds is not None), None)

    def _check(self, model: Path, path: Path, verdict: Verdict) -> None:
        """Keep the engine if it is not known to be bad.

        Raises:
            ModelError: It is.
        """
        if verdict.good is False:
            try:
                write_whole(_refusal_file(path), verdict.text.encode())
                discard(path)
            except OSError as error:
                log.warning("%s: the refused engine cannot be deleted (%s)", path, error.strerror)
            raise _refused(model, verdict.text, path)
        if not verdict.again:
            note(path, verdict)
        log.info("engine of %s compared with its ONNX file: %s", model.name, verdict)

    @contextlib.contextmanager
    def _locked(self, path: Path) -> Iterator[None]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = open_lock(path.with_suffix(".lock"))
        except OSError as error:
            raise ModelError(f"{self._folder}: engines cannot be kept there ({error.strerror})") from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.info("another process builds %s: waiting for it", path.name)
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _trim(self, newest: Path) -> None:
        """Delete engines beyond the limit, the longest unused first, but never the newest."""
        total = newest.stat().st_size
        for path, facts in _newest_first(self._folder.glob("*.engine")):
            if path == newest:
                continue
            total += facts.st_size
            if total > self._limit:
                log.info("engine %s is deleted: the cache is full", path.name)
                discard(path)
                path.with_suffix(".lock").unlink(missing_ok=True)


def _newest_first(paths: Iterable[Path]) -> list[tuple[Path, os.stat_result]]:
    """The files that are still there, by the time of their last change; other processes delete some."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            found.append((path, path.stat()))
    return sorted(found, key=lambda one: one[1].st_mtime, reverse=True)


def _refusal_file(path: Path) -> Path:
    return path.with_suffix(".refused")


def _refusal(path: Path) -> str | None:
    """Why an engine was refused; None if it was not."""
    try:
        return _refusal_file(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _refused(model: Path, why: str, path: Path) -> ModelError:
    return ModelError(
        f"model {model}: its TensorRT engine does not find what the ONNX file finds ({why}): set "
        f"model.tensorrt.precision to fp32, or model.tensorrt.check to false to run it all the same; delete "
        f"{_refusal_file(path)} to have it built and compared again"
    )
