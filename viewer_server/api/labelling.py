"""Endpoints for labelling: which pictures there are, what is in them, and what people decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import flask

from shared.errors import ConfigError
from viewer_server.api.endpoint import Endpoint, Refused, body
from viewer_server.api.schemas.common import Nothing
from viewer_server.labelling.desk import Changed, Desk, Gone, Senseless
from viewer_server.labelling.said import (
    LabelDecision,
    LabelDeletion,
    LabelList,
    LabelName,
    LabelPicture,
    LabelQuery,
    LabelSaved,
)

T = TypeVar("T")


class Labelling:
    """The endpoints, one method each.

    Args:
        desk: The folder that is labelled.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Rows of the API's table."""
        return (
            Endpoint("/label/pictures", self.label_pictures, LabelQuery, LabelList,
                     "Pictures to label, in pages, and how far the work is"),
            Endpoint("/label/picture", self.label_picture, LabelName, LabelPicture,
                     "What is in a picture: as it was decided, else as the model proposes"),
            Endpoint("/label/image", self.label_image, LabelName, "image/jpeg",
                     "The file of a picture to label, JPEG or PNG"),
            Endpoint("/label/decide", self.label_decide, Nothing, LabelSaved,
                     "Say what is in a picture, unless somebody else did meanwhile",
                     method="POST", body=LabelDecision),
            Endpoint("/label/delete", self.label_delete, Nothing, LabelSaved,
                     "Delete a picture; the last one can be restored",
                     method="POST", body=LabelDeletion),
            Endpoint("/label/restore", self.label_restore, Nothing, LabelSaved,
                     "Bring back the picture that was deleted last", method="POST", body=LabelName),
        )  # fmt: skip

    def label_pictures(self, query: LabelQuery) -> LabelList:
        """Names, and numbers."""
        return _tried(lambda: self._desk.listed(query))

    def label_picture(self, query: LabelName) -> LabelPicture:
        """One picture."""
        return _tried(lambda: self._desk.picture(query.name))

    def label_image(self, query: LabelName) -> flask.Response:
        """Its file."""
        data, kind = _tried(lambda: self._desk.image(query.name))
        return flask.Response(data, content_type=kind)

    def label_decide(self, query: Nothing) -> LabelSaved:  # noqa: ARG002 - as every endpoint
        """Write it down."""
        decision = body(LabelDecision)
        return _tried(lambda: self._desk.decide(decision))

    def label_delete(self, query: Nothing) -> LabelSaved:  # noqa: ARG002 - as every endpoint
        """Take it away."""
        deletion = body(LabelDeletion)
        return _tried(lambda: self._desk.delete(deletion))

    def label_restore(self, query: Nothing) -> LabelSaved:  # noqa: ARG002 - as every endpoint
        """Bring it back."""
        name = body(LabelName).name
        return _tried(lambda: self._desk.restore(name))


def _tried(work: Callable[[], T]) -> T:
    try:
        return work()
    except Gone as reason:
        raise Refused(404, str(reason)) from None
    except Changed as reason:
        raise Refused(409, str(reason)) from None
    except Senseless as reason:
        raise Refused(422, str(reason)) from None
    except ConfigError as error:
        raise Refused(503, str(error)) from None
    except OSError as error:
        what = error.filename or "the folder"
        raise Refused(503, f"{what}: {error.strerror}; nothing was changed") from None
