"""What may be shown of an address, and of any text that may hold a secret.

Two things work together. The shape of an address says where its credentials stand: only scheme, host, port
and path are shown. And the secrets of the configuration are known once it is read (`known.py`): their values
are replaced in every text, whatever shape a library gives them.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import unquote

from shared.secrets import known
from shared.secrets.known import HIDDEN

_STEMS = (
    "user|usr|login|pass|pwd|token|secret|streamid|auth|sign|session|cookie|ticket|credential|key|jwt|account|"
    "kennwort|contrase|senha|clave|parola"
)
_NAMES = "pw|mdp|psw|psk|sid|sig|pin|otp|code|nonce|hash|uid|u|p|un"
_CREDENTIAL = re.compile(rf"{_STEMS}|(?<![a-z])(?:{_NAMES})(?![a-z])", re.I)
"""The names of parameters whose values are taken for credentials."""
_SEGMENT = re.compile(
    r"(?:user(?:name)?|usr|login|pass(?:word|wd|phrase)?|pwd|pw|(?:access)?[_-]?token|(?:api)?[_-]?key|secret|"
    r"auth|session|sid|sig(?:nature)?)",
    re.I,
)
"""The parts of a path behind which credentials are expected, as in /user/NAME/password/WORD."""
_USER_NAME = re.compile(r"(?:.*[_-])?user[_-]?(?:name|id)?", re.I)
"""The parameters that name a user: no secret by itself, and often an ordinary word."""

_SCHEMES = r"(?:rtsp[stu]?|rtmp[a-z]*|srt|https?|s?ftps?|mms[ht]?|mqtts?|wss?|grpcs?|udp|tcp|tls|rtp|hls)"
_LEADING = re.compile(rf"(?:[a-z][a-z0-9+.,_-]+:)*(?:[a-z][a-z0-9+.,_-]+:/+|{_SCHEMES}:|//)", re.I)
"""The scheme of a whole address; FFmpeg takes several in a row, and one slash or none behind the last."""
_INSIDE = re.compile(rf"[a-z][a-z0-9+.-]{{1,20}}:/+|\b{_SCHEMES}:(?=[^\s/][^\n]{{0,400}}@)", re.I)
_NEXT = re.compile(rf"[\s\"'(\[{{,;=|<]{_SCHEMES}:/", re.I)
_HOST = re.compile(r"(?:[\w.-]*|\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\])(?::\d{0,5})?")
_TEMPLATE = re.compile(r"[\w.-]*:[A-Z_]+")  # HOST:PORT of a message that says how to write an address
_WHOLE_ENDS = re.compile(r"[/?#]")
_HOST_ENDS = re.compile(r"[/?#\s\"'<>|`^{}\\(),;&=]")
_PATH_ENDS = re.compile(r"[\s\"'<>|`^{}\\)\]]")
_EXAMPLE = "USER:PASSWORD@"  # of a message that says how to write an address
_STOPS = ":.,;"

_PAIR = re.compile(
    r"(?P<name>(?:passw|passphrase|pwd|user-pw|user-id|token|secret|api_?key|streamid|signature|"
    r"authorization)[\w-]{0,40})(?P<is>[\"']?\s?[=:]\s?|=)(?P<value>\"[^\"]*\"|'[^']*'|[^\s&;,)\]}]+)",
    re.I,
)
_AUTHORIZATION = re.compile(r"(authorization[\"']?\s?[:=]\s?[\"']?\w+)\s+[^\r\n\"']+", re.I)
_QUERY = re.compile(r"\?(?=[\w.%-]{1,80}=)[^\s\"'<>]+")
_BARE = re.compile(r"(?<![\w@:.*-])[^\s/@:\"'=]{1,100}:[^\s@\"']{1,200}@(?=[\w\[])")


def redact_address(address: str) -> str:
    """An address without its credentials; a text without any stays as it is.

    The user part reaches to the last ``@``. Where an ``@`` behind a slash can be read in two ways, neither
    host is shown, because one of them may be a part of the password.

    Args:
        address: One whole address, such as a camera's source. Its scheme may be missing.
    """
    scheme = _LEADING.match(address)
    if scheme is None:
        plain = _decoded(address)
        if plain != address and has_scheme(plain):  # somebody has encoded all of it
            return redact_address(plain)
        head, at, tail = address.rpartition("@")
        if at and ":" in _decoded(head):
            return f"{HIDDEN}@{_path(tail)}"
        names = re.findall(r"([^=&;,/?#\s]*)=", plain)
        return _path(address) if any(map(_CREDENTIAL.search, names)) else address
    return scheme[0] + _after_scheme(address[scheme.end() :], _WHOLE_ENDS)[0]


def redact(text: str) -> str:
    """A text without the known secrets, and without the credentials of the addresses that stand in it."""
    return "".join(_pieces(known.hide(text)))


def keep_address(address: str) -> None:
    """Replace an address and its credentials in every text from now on.

    Args:
        address: One whole address, such as a camera's source.
    """
    shown = redact_address(address)
    if shown == address:
        return
    known.keep(address, shown)
    scheme = _LEADING.match(address)
    rest = address[scheme.end() :] if scheme else address
    for near in {_up_to(rest, _WHOLE_ENDS), rest}:
        user_part, at, _ = near.rpartition("@")
        if at:
            user, colon, password = user_part.partition(":")
            known.keep(user_part)
            known.keep(base64.b64encode(user_part.encode(errors="replace")).decode())
            known.keep(password if colon else user)
    for name, value in _parameters(rest):
        if _CREDENTIAL.search(_decoded(name)) and not _USER_NAME.fullmatch(_decoded(name)):
            known.keep(value)
            # Some cameras have their parameters in the path, or join them by underscores or blanks.
            known.keep(re.split(r"[/?\s]|_[a-z]+=", value, maxsplit=1, flags=re.I)[0])


def has_scheme(text: str) -> bool:
    """Whether a text begins like an address."""
    return _LEADING.match(text) is not None


def names_a_secret(key: str) -> bool:
    """Whether the name of a key or parameter says that its value is a secret."""
    return _PAIR.search(f"{key.rstrip('=')}=x") is not None


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    """The name and value of each ``NAME=VALUE``; a value may hold further ones."""
    for equals in re.finditer("=", text):
        yield re.split("[=&;,/?#]", text[: equals.start()])[-1], re.split("[&;#]", text[equals.end() :])[0]


def _pieces(text: str) -> Iterator[str]:
    done = 0
    starts = list(_INSIDE.finditer(text))
    for index, start in enumerate(starts):
        if start.start() < done:
            continue
        # An address reaches to the next one. A password may hold what looks like one of an odd scheme.
        ends = (later.start() for later in starts[index + 1 :] if _NEXT.match(text, later.start() - 1))
        shown, used = _after_scheme(text[start.end() : next(ends, len(text))], _HOST_ENDS)
        yield _pairs(text[done : start.start()])
        yield start[0] + shown
        done = start.end() + used
    yield _pairs(text[done:])


def _pairs(text: str) -> str:
    """A text that holds no address with a scheme, without the credentials that it names."""
    text = _AUTHORIZATION.sub(rf"\1 {HIDDEN}", text)
    text = _QUERY.sub(
        lambda query: f"?{HIDDEN}" if _CREDENTIAL.search(_decoded(query[0])) else query[0], text
    )
    text = _PAIR.sub(_hide_value, text)
    return _BARE.sub(f"{HIDDEN}@", text) if "@" in text else text


def _hide_value(pair: re.Match[str]) -> str:
    # Of "mqtt.password: expected a text" only an equals sign, or quotes around the name, make a value.
    if pair["name"].endswith("_file") or pair["is"].strip() == ":":
        return pair[0]
    return f"{pair['name']}{pair['is']}{HIDDEN}"


def _after_scheme(rest: str, ends: re.Pattern[str]) -> tuple[str, int]:
    """What may be shown of an address behind its scheme, and how many characters of `rest` it takes."""
    whole = ends is _WHOLE_ENDS
    near = _up_to(rest, ends)  # the user part and the host, as FFmpeg reads them
    at = rest.rfind("@")
    if at < 0:
        start, host = 0, near
    elif rest.startswith(_EXAMPLE) and at < len(near):
        return near, len(near)
    elif at < len(near):
        start, host = at + 1, near[at + 1 :]
    else:
        near_at, far = near.rfind("@") + 1, _up_to(rest[at + 1 :], ends).rstrip("" if whole else _STOPS)
        near_fits, far_fits = bool(_HOST.fullmatch(near[near_at:])), bool(_HOST.fullmatch(far))
        if near_fits and (_is_ip(near[near_at:]) or (whole and not far_fits)):
            start, host = near_at, near[near_at:]
        elif far_fits and (not near_fits or (near_at and _is_ip(far))):
            start, host = at + 1, far
        else:
            return HIDDEN, len(rest) if whole else at + 1 + len(
                _up_to(rest[at + 1 :], _PATH_ENDS).rstrip(_STOPS)
            )
    behind = rest[start + len(host) :]
    path = behind if whole else _up_to(behind, _PATH_ENDS)
    if not whole:  # what ends a sentence or a clause is no part of its last address
        path = path.rstrip(_STOPS)
    used = start + len(host) + len(path)
    if not (_HOST.fullmatch(host) or (at < 0 and _TEMPLATE.fullmatch(host))):
        return HIDDEN, used
    return host + _path(path), used


def _up_to(text: str, ends: re.Pattern[str]) -> str:
    end = ends.search(text)
    return text[: end.start()] if end else text


def _is_ip(host: str) -> bool:
    inner = re.match(r"\[(.*)\]", host)
    try:
        ipaddress.ip_address(inner[1] if inner else host.partition(":")[0])
    except ValueError:
        return False
    return True


def _path(path: str) -> str:
    """A path up to its first credential, query or fragment."""
    kept: list[str] = []
    named = False
    for part in re.split(r"(?<=[/&;])", re.split(r"[?#]", path, maxsplit=1)[0]):
        plain = _decoded(part)
        names = re.split(r"[=:](?=[^=:]*$)", plain)[0] if re.search("[=:]", plain) else ""
        if named or _CREDENTIAL.search(names) or re.search(r"[?#]", plain):
            return "".join([*kept, HIDDEN]) if part else "".join(kept)
        named = part.endswith("/") and _SEGMENT.fullmatch(plain.rstrip("/")) is not None
        kept.append(part)
    return "".join(kept)


def _decoded(text: str) -> str:
    """A text without percent encoding, however often that was applied."""
    for _ in range(4):
        plain = unquote(text)
        if plain == text:
            break
        text = plain
    return text
