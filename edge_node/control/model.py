"""The model while the node runs: what the manifest says of it, and how its file is loaded again."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edge_node import interpreter
from edge_node.assets.download import sha256
from edge_node.backends.choose import candidates, is_on_server
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from edge_node.detect.devices import to_enter
from shared.errors import DarnerError, ModelError
from shared.secrets.redact import redact_address
from shared.wire.messages import ModelInfo

log = logging.getLogger("darner.model")

ANSWER_S = 8.0
"""How long the answer to `reload` waits for the new file, seconds; an engine may take minutes to build.

Clients should wait longer for the answer.
"""


def about(settings: ModelSettings, detector: Detector) -> ModelInfo:
    """What the manifest says of the model that runs now."""
    target = detector.input_format
    return ModelInfo(
        name=Path(redact_address(settings.name)).stem,
        classes=detector.class_names,
        input_width=target.width,
        input_height=target.height,
        layout=detector.layout,
        **dataclasses.asdict(detector.lineage),
    )


def hashes(settings: ModelSettings) -> Mapping[Path, str]:
    """The files that the model's name stands for, with their SHA-256; of a model on a server, none.

    Raises:
        ModelError: There is no such file, or it cannot be read.
    """
    if is_on_server(settings):
        return {}
    try:
        return {path: sha256(path) for _, path in candidates(settings)}
    except OSError as error:
        raise ModelError(f"model {settings.name!r}: cannot be read ({error.strerror})") from None


class ModelFiles:
    """Loads the model again once its file has changed; frames go through the old one meanwhile.

    Trackers, zones and stays go on, because a new file is only taken if it has the same classes.

    Args:
        settings: The model as it was loaded.
        known: Its files as they were then.
        detectors: Those that run it.
        on_loaded: Called when another file runs.
        on_trouble: Is told why the file that lies there does not run; None when it does.
    """

    def __init__(
        self,
        settings: ModelSettings,
        known: Mapping[Path, str],
        detectors: Sequence[Detector],
        on_loaded: Callable[[], None],
        on_trouble: Callable[[str | None], None],
    ) -> None:
        self._settings, self._known, self._detectors = settings, known, detectors
        self._on_loaded, self._on_trouble = on_loaded, on_trouble
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._state: dict[str, Any] = {"state": "unchanged"}
        self._in_trouble = False

    def renew(self, wait_s: float = ANSWER_S) -> dict[str, Any]:
        """Load the model's file if it is another one than the one that runs.

        Args:
            wait_s: How long to wait for it, seconds; it goes on afterwards.

        Returns:
            "state": unchanged, loaded, refused or loading; "sha256" of the file that runs; and "why" it was
            refused.
        """
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._state = {"state": "loading"}
                self._thread = threading.Thread(target=self._work, name="model", daemon=True)
                self._thread.start()
            thread = self._thread
        thread.join(wait_s)
        return {**self._state, "sha256": self._detectors[0].lineage.sha256}

    def _work(self) -> None:
        self._renew()
        if self._state["state"] != "unchanged":
            interpreter.give_back()  # only now: an error holds on to what it has met

    def _renew(self) -> None:
        try:
            found = hashes(self._settings)
            changed = found != self._known
            if changed:
                self._load()
                self._known = found
        except DarnerError as error:
            self._refuse(str(error))
        except Exception as error:  # whatever a file causes must not end the node
            log.exception("the model's new file cannot be loaded")
            self._refuse(f"model {self._settings.name}: its new file cannot be loaded: {error}")
        else:
            self._state = {"state": "loaded" if changed else "unchanged"}
            if self._in_trouble:
                self._in_trouble = False
                self._on_trouble(None)
            if changed:
                lineage = self._detectors[0].lineage
                log.info("model %s: the new file runs, SHA-256 %s", self._settings.name, lineage.sha256)
                self._on_loaded()

    def _load(self) -> None:
        """Load a network for each detector, and exchange them once all are there.

        Raises:
            DarnerError: One cannot be loaded, or is no exchange; none has been exchanged then.
        """
        with ExitStack() as stack:
            newer = [stack.enter_context(one) for one in to_enter(self._settings)]
            for detector, one in zip(self._detectors, newer, strict=True):
                detector.check_exchange(one)
            stack.pop_all()  # the detectors release these networks from now on
            for detector, one in zip(self._detectors, newer, strict=True):
                detector.take_over(one)

    def _refuse(self, why: str) -> None:
        why = why.rstrip(".")
        if self._settings.name not in why:
            why = f"model {self._settings.name}: {why}"
        self._state = {"state": "refused", "why": why}
        log.error("%s; the file that was loaded before goes on", why)
        self._in_trouble = True
        self._on_trouble(f"{why}; the file that was loaded before goes on")
