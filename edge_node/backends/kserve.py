"""A network on another machine, behind a server that speaks the KServe v2 protocol.

Such servers are Triton, OpenVINO Model Server and MLServer.

Protocol: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
"""

from __future__ import annotations

import importlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
from tritonclient.utils import InferenceServerException

from edge_node.backends.beside import IN_FLIGHT, Beside
from edge_node.backends.host import PictureInput, picture_first
from edge_node.backends.interface import Array, Inference, ModelFile, Pending, Tensor, Wanted
from edge_node.backends.preprocess import InputFormat
from edge_node.config.model_settings import ModelSettings
from edge_node.pictures import Picture
from shared.errors import ModelError, first_line

log = logging.getLogger("darner.backend")

T = TypeVar("T")

START_WITHIN_S = 10.0
"""Seconds that a node waits for a server that starts together with it."""
AWAY_AT_MOST_S = 60.0
"""Seconds that a node keeps asking a server that stopped answering; then the node ends with an error."""
_PAUSES_S = (0.2, 0.5, 1.0, 2.0)
_DTYPES = {"FP32": "float32", "FP16": "float16", "UINT8": "uint8", "INT64": "int64", "INT32": "int32"}
_AWAY = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "503", "502", "504")


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a served model.

    Attributes:
        kind: "http" or "grpc", the name of the client's module.
        secure: Whether the connection uses TLS.
        place: ``HOST:PORT``.
        model: The model's name on the server.
        version: Of the model; empty for the server's choice.
    """

    kind: str
    secure: bool
    place: str
    model: str
    version: str

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read ``http://HOST:PORT/MODEL`` or ``.../MODEL/VERSION``; https, grpc and grpcs likewise.

        Raises:
            ModelError: The address has another form.
        """
        split = urlsplit(url)
        parts = [part for part in split.path.split("/") if part]
        if parts[:2] == ["v2", "models"]:
            parts = [part for part in parts[2:] if part != "versions"]
        if not split.hostname or not 1 <= len(parts) <= 2:
            raise ModelError(f"model {url!r}: write http://HOST:PORT/MODEL or grpc://HOST:PORT/MODEL")
        kind = "grpc" if split.scheme.startswith("grpc") else "http"
        secure = split.scheme in ("https", "grpcs")
        port = split.port or {"http": 443 if secure else 8000, "grpc": 8001}[kind]
        return cls(kind, secure, f"{split.hostname}:{port}", parts[0], parts[1] if len(parts) == 2 else "")


class KserveBackend:
    """Runs a model on a server.

    If the server stops answering, the node asks again for a minute; live cameras meanwhile keep only their
    newest frame.

    Args:
        settings: `name` is the address, `timeout_s` the longest wait for one answer.

    Raises:
        ModelError: There is no server, or the server has no such model, or the model takes no picture.
    """

    in_flight, letterboxes, pictures = IN_FLIGHT, False, None

    def __init__(self, settings: ModelSettings) -> None:
        self._address = Address.parse(settings.name)
        self._timeout_s = settings.timeout_s
        self.device = f"{self._address.kind}://{self._address.place}"
        try:
            self._module = importlib.import_module(f"tritonclient.{self._address.kind}")
        except (ImportError, RuntimeError) as error:
            kind = self._address.kind
            raise ModelError(
                f"model {settings.name}: needs tritonclient's {kind} client ({error}): "
                "pip install 'darner[kserve]'"
            ) from None
        self._closed = threading.Event()
        self._clients: list[Any] = []
        self._local = threading.local()
        server = self._patiently(START_WITHIN_S, lambda: self._described("get_server_metadata"))
        self._binary = "binary_tensor_data" in server.get("extensions", [])
        self.name = f"{server.get('name', 'kserve')} {server.get('version', '')}".strip()
        address = self._address
        told = self._patiently(
            START_WITHIN_S, lambda: self._described("get_model_metadata", address.model, address.version)
        )
        self._datatypes = {item["name"]: item["datatype"] for item in told.get("inputs", [])}
        if not self._datatypes:
            raise ModelError(f"model {settings.name}: the server does not say what inputs it takes")
        self.model = ModelFile(
            picture_first([_tensor(item) for item in told["inputs"]]),
            tuple(_tensor(item) for item in told.get("outputs", [])),
        )
        picture = PictureInput.of(self.model, settings.name)
        self._beside = Beside(
            self.model,
            picture,
            lambda feeds: self._patiently(AWAY_AT_MOST_S, lambda: self._ask(feeds)),
        )
        self.max_batch = picture.max_batch if self.model.has_batch_axis else 1

    def submit(
        self,
        images: Sequence[Picture],
        target: InputFormat,
        wanted: Wanted | None,  # noqa: ARG002 - everything is left to the decoder
    ) -> Pending[Inference]:
        """See `Backend`; the whole outputs come from the server."""
        return self._beside.submit(images, target)

    def close(self) -> None:
        """Close the connections, and stop asking a server that does not answer."""
        self._closed.set()
        self._beside.close()
        for client in list(self._clients):  # the other thread may be dropping one
            client.close()

    def _ask(self, feeds: Mapping[str, Array]) -> list[Array]:
        http = self._address.kind == "http"
        how = {"binary_data": self._binary} if http else {}
        inputs = []
        for name, value in feeds.items():
            one = self._module.InferInput(name, list(value.shape), self._datatypes[name])
            one.set_data_from_numpy(np.ascontiguousarray(value), **how)
            inputs.append(one)
        outputs = [self._module.InferRequestedOutput(item.name, **how) for item in self.model.outputs]
        limit = {} if http else {"client_timeout": self._timeout_s}
        answer = self._client().infer(
            self._address.model, inputs, self._address.version, outputs=outputs or None, **limit
        )
        found = [answer.as_numpy(item.name) for item in self.model.outputs]
        if any(item is None for item in found):
            raise ModelError(
                f"model {self._address.model}: the server's answer lacks an output that it had announced"
            )
        return found

    def _described(self, call: str, *names: str) -> dict[str, Any]:
        """Metadata of the server or the model."""
        how = {} if self._address.kind == "http" else {"as_json": True, "client_timeout": self._timeout_s}
        found: dict[str, Any] = getattr(self._client(), call)(*names, **how)
        return found

    def _client(self) -> Any:
        """This thread's client: two threads must not use one HTTP client."""
        client = getattr(self._local, "client", None)
        if client is None:
            address = self._address
            limits = (
                {}
                if address.kind == "grpc"
                else {
                    "connection_timeout": self._timeout_s,
                    "network_timeout": self._timeout_s,
                }
            )
            client = self._module.InferenceServerClient(address.place, ssl=address.secure, **limits)
            self._local.client = client
            self._clients.append(client)
        return client

    def _drop_client(self) -> None:
        """Close this thread's client after a failure; the next request opens a new one."""
        client, self._local.client = self._local.client, None
        self._clients.remove(client)
        client.close()

    def _patiently(self, within_s: float, ask: Callable[[], T]) -> T:
        """The answer of `ask`, which is called again while the server does not answer.

        Raises:
            ModelError: The server does not answer within `within_s` seconds or before `close`, or it refuses.
        """
        start = time.monotonic()
        tries = 0
        while True:
            try:
                answer = ask()
            except (InferenceServerException, OSError) as error:
                if isinstance(error, InferenceServerException) and not _is_away(error):
                    raise ModelError(
                        f"model {self._address.model} at {self.device}: {first_line(error)}"
                    ) from None
                waited = time.monotonic() - start
                if waited >= within_s or self._closed.is_set():
                    raise ModelError(
                        f"model {self._address.model}: no answer from {self.device} for {waited:.0f} s "
                        f"({first_line(error)})"
                    ) from None
                if tries == 0:
                    log.warning("%s does not answer (%s); trying again", self.device, first_line(error))
                self._drop_client()
                self._closed.wait(_PAUSES_S[min(tries, len(_PAUSES_S) - 1)])
                tries += 1
                continue
            if tries:
                log.info("%s answers again", self.device)
            return answer


def _tensor(item: dict[str, Any]) -> Tensor:
    """A tensor as the server describes it: -1 is any length, and lengths may be texts."""
    shape = tuple(None if int(axis) < 0 else int(axis) for axis in item.get("shape", []))
    return Tensor(item["name"], shape, _DTYPES.get(item["datatype"], item["datatype"].lower()))


def _is_away(error: InferenceServerException) -> bool:
    status = error.status() or ""
    return any(word in status for word in _AWAY) or "timed out" in str(error)
