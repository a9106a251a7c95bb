"""Which file a model is, and what its metadata say about where it comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge_node.backends.interface import ModelFile

PARENT, DATA, MADE, BY = "darner.parent", "darner.data", "darner.made", "darner.by"
"""Keys of the metadata: SHA-256 of the parent file and of the training data; when and by what it was made."""
_SHA256 = re.compile("[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where a model comes from; None: its file does not say.

    Attributes:
        sha256: Of its file, in hexadecimal; of a TensorRT engine, that of the ONNX file that it was built
            from. None for a model on a server.
        parent: SHA-256 of the file that it was made of.
        data: SHA-256 of what it learnt from.
        made: When, as ISO 8601 writes it.
    """

    sha256: str | None = None
    parent: str | None = None
    data: str | None = None
    made: str | None = None


def lineage_of(model: ModelFile) -> Lineage:
    """Where a model comes from; what its metadata say in another form is as good as not said."""

    def said(key: str, form: re.Pattern[str]) -> str | None:
        text = model.metadata.get(key, "")
        return text if form.fullmatch(text) else None

    own = model.sha256 if model.sha256 and _SHA256.fullmatch(model.sha256) else None
    return Lineage(sha256=own, parent=said(PARENT, _SHA256), data=said(DATA, _SHA256), made=said(MADE, _TIME))
