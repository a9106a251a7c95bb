"""What somebody asks for over MQTT becomes a source: whether it is allowed, and with which login."""

from __future__ import annotations

from urllib.parse import parse_qsl

from edge_node.capture.readers.address import Address, parse
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.saved.cameras import with_values
from edge_node.config.sources import check_source, describe, path_of
from edge_node.mqtt_source import is_mqtt
from shared.errors import MessageError, SourceError
from shared.limits import clipped
from shared.secrets import known
from shared.secrets.redact import keep_address, names_a_secret
from shared.wire.messages import CameraChange, RemoteCameras

NETWORK = ("rtsp", "rtsps", "rtmp", "rtmps", "srt", "http", "https")
"""Schemes of the streams that a request may name. FFmpeg knows others, which read files."""


def settings_of(
    camera: str, change: CameraChange, before: CameraSettings | None, allowed: RemoteCameras
) -> CameraSettings:
    """A camera's settings as somebody wants them, with user and password in the source.

    Args:
        camera: The camera's name, for errors.
        change: What is wanted.
        before: The camera as it is; None: there is none of this name.
        allowed: Which sources are allowed.

    Raises:
        MessageError: The source is not allowed, or cannot be one.
    """
    where = f"cameras.{camera}.source"
    source = _source(where, change, None if before is None else before.source, allowed)
    keep_address(source)
    wanted = {key: value for key, value in vars(change).items() if key not in ("user", "password", "source")}
    edit = CameraChange(**wanted, source=source)
    return with_values(before, edit)


def shown(source: int | str) -> str:
    """A source as everybody may see it, and as a request names it to leave it as it is."""
    return clipped(describe(source))


def has_login(source: int | str) -> bool:
    """Whether a source's address has a user or a password in it, as far as its form tells."""
    if path_of(source) is not None:
        return False
    # No query is ever shown, but most queries hold no secret: they choose a channel or a format.
    address, _, query = str(source).partition("?")
    if parse(str(source)).login is not None or describe(address) != address:
        return True
    return any(names_a_secret(name) for name, _ in parse_qsl(query, keep_blank_values=True))


def _source(where: str, change: CameraChange, before: int | str | None, allowed: RemoteCameras) -> str:
    stays = before is not None and change.source == shown(before)
    source = str(before) if stays else change.source
    if not stays:
        _refuse_unless_allowed(where, source, allowed)
    if change.user is None and change.password is None and (stays or path_of(source) is not None):
        return source
    if path_of(source) is not None:
        raise MessageError(f"{where}: a file or a device has no user and password; leave them out")
    address = parse(source)
    if is_mqtt(source) and not address.host[0]:
        raise MessageError(
            f"{where}: is on the node's own broker, with the login of mqtt; leave out user and password"
        )
    user, password = address.login or _kept(address, before) or (None, None)
    if change.user is not None:
        user = change.user.encode()
    if change.password is not None:
        known.keep(change.password)
        password = change.password.encode()
    if user is None:
        if password is not None:
            raise MessageError(f"{where.removesuffix('source')}user: is missing; a password needs a user")
        return source
    return Address(address.scheme, (user, password or b""), address.place).full


def _kept(address: Address, before: int | str | None) -> tuple[bytes, bytes] | None:
    """The login that a camera has, if the new address is at the very same place: nobody else may get it."""
    if before is None or path_of(before) is not None:
        return None
    old = parse(str(before))
    return old.login if (old.scheme, old.host) == (address.scheme, address.host) else None


def _refuse_unless_allowed(where: str, source: str, allowed: RemoteCameras) -> None:
    if path_of(source) is not None:
        if allowed != "any":
            raise MessageError(
                f"{where}: is a file or a device; over MQTT this node takes streams only "
                f"({', '.join(NETWORK)}). Its configuration can allow it with remote_cameras: any"
            )
        try:
            check_source("", source)
        except SourceError as error:
            raise MessageError(f"{where}: {str(error).partition(': source ')[2]}") from None
        return
    address = parse(source)
    if address.scheme not in NETWORK:
        raise MessageError(f"{where}: begins with {address.scheme[:20]}://; use {', '.join(NETWORK)}")
    if not source.isprintable() or not address.host[0]:
        raise MessageError(f"{where}: names no host; write it as rtsp://HOST/PATH")
    if wrong := address.wrong_port:
        raise MessageError(f"{where}: {wrong}")
