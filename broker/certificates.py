"""`python -m broker.certificates FOLDER --host NAME`: a private CA and certificates for a home or a lab.

It uses the program `openssl`. The first call makes the CA; later calls use it, so that clients can be added.
Only the owner can enter the folder and read keys. Existing certificates are kept unless --force is given; the
CA is always kept.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from shared.errors import ConfigError, DarnerError
from shared.files import private_folder
from shared.program import Parser
from shared.wire.topics import check_id

CA_DAYS = 3650
DAYS = 825
"""The longest validity of a server's certificate that some TLS libraries accept."""

_HOST = re.compile(
    r"(?=.{1,253}\Z)(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)(\.[A-Za-z0-9_-]{1,63})*\Z"
)
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256")
_REQUEST = """[req]
distinguished_name = name
prompt = no
string_mask = utf8only
x509_extensions = ca
[name]
CN = {name}
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = {usage}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
{names}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and make certificates; return the process's exit code."""
    parser = Parser(prog="python -m broker.certificates", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--host",
        nargs="+",
        action="extend",
        default=[],
        help="names and addresses under which clients reach the broker",
    )
    parser.add_argument(
        "--client",
        nargs="+",
        action="extend",
        default=[],
        help="users that get a client certificate (mutual TLS)",
    )
    parser.add_argument(
        "--days",
        type=int,
        default=DAYS,
        help="validity of certificates other than the CA's (default %(default)s)",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace existing certificates, but never the CA"
    )
    options = parser.parse_args(arguments)
    try:
        made = make(options.folder, options.host, options.client, options.days, force=options.force)
        for file in made:
            print(f"{file}: valid until {expiry(file)}")
    except DarnerError as error:
        print(f"certificates: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def make(folder: Path, hosts: Sequence[str], clients: Sequence[str], days: int, *, force: bool) -> list[Path]:
    """Write certificates for the server and for clients; make the CA first if there is none.

    Returns:
        The CA's certificate, followed by the certificates that were made.

    Raises:
        ConfigError: A certificate cannot have such a name, a file exists, or openssl is missing or fails.
    """
    if not hosts and not clients:
        raise ConfigError("nothing to do: name the broker with --host, or users with --client")
    if not 1 <= days <= CA_DAYS:
        raise ConfigError(f"--days {days}: expected 1 to {CA_DAYS}")
    names = ",".join(map(_alternative_name, hosts))
    wanted = {folder / "server.crt": hosts[0]} if hosts else {}
    wanted |= {folder / "clients" / f"{check_id('--client', name)}.crt": name for name in clients}
    for file in wanted:
        if not force and (file.exists() or file.with_suffix(".key").exists()):
            raise ConfigError(f"{file} or its key exists already; --force replaces it")
    try:
        private_folder(folder)
        if clients:
            private_folder(folder / "clients")
        authority = _authority(folder, days)
        for file, name in wanted.items():
            _sign(file, name, names if file.parent == folder else "", days, authority)
    except OSError as error:
        raise ConfigError(f"{error.filename or folder}: {error.strerror}") from None
    return [authority, *wanted]


def expiry(certificate: Path) -> str:
    """When a certificate expires, as openssl writes it."""
    return _openssl("x509", "-in", str(certificate), "-noout", "-enddate").strip().partition("=")[2]


def _alternative_name(host: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(host)}"
    except ValueError:
        if not _HOST.match(host):
            raise ConfigError(
                f"--host {host!r}: expected a host name or an IP address, without a port"
            ) from None
        return f"DNS:{host}"


def _authority(folder: Path, days: int) -> Path:
    certificate, key = folder / "ca.crt", folder / "ca.key"
    if certificate.exists() != key.exists():
        there, missing = (certificate, key) if certificate.exists() else (key, certificate)
        raise ConfigError(
            f"{there} exists, but {missing} does not: restore it, or remove both to start again"
        )
    if not key.exists():
        with tempfile.TemporaryDirectory(dir=folder) as private:
            request = _request(Path(private), f"Darner CA {secrets.token_hex(4)}")
            new = Path(private)
            _openssl(
                "req", "-x509", *_KEY, "-config", str(request), "-days", str(CA_DAYS),
                "-keyout", str(new / "key"), "-out", str(new / "crt"),
            )  # fmt: skip
            _keep(new, certificate)
    try:
        _openssl("x509", "-in", str(certificate), "-noout", "-checkend", str(days * 86_400))
    except ConfigError:
        raise ConfigError(
            f"{certificate} expires on {expiry(certificate)}, before the new certificate would: "
            "give fewer --days, or remove ca.crt and ca.key to start again"
        ) from None
    return certificate


def _sign(file: Path, name: str, alternative_names: str, days: int, authority: Path) -> None:
    with tempfile.TemporaryDirectory(dir=file.parent) as private:
        new = Path(private)
        request = _request(new, name, alternative_names)
        _openssl(
            "req",
            "-new",
            *_KEY,
            "-config",
            str(request),
            "-keyout",
            str(new / "key"),
            "-out",
            str(new / "csr"),
        )
        _openssl(
            "x509", "-req", "-sha256", "-in", str(new / "csr"), "-out", str(new / "crt"), "-days", str(days),
            "-CA", str(authority), "-CAkey", str(authority.with_suffix(".key")),
            "-set_serial", str(secrets.randbits(120)), "-extfile", str(request), "-extensions", "leaf",
        )  # fmt: skip
        _keep(new, file)


def _request(folder: Path, name: str, alternative_names: str = "") -> Path:
    file = folder / "request.cnf"
    names = f"subjectAltName = {alternative_names}" if alternative_names else ""
    usage = "serverAuth" if alternative_names else "clientAuth"
    # A common name has at most 64 characters; clients compare the alternative names instead.
    file.write_text(_REQUEST.format(name=name[:64], usage=usage, names=names))
    return file


def _keep(new: Path, certificate: Path) -> None:
    (new / "key").chmod(0o600)
    (new / "crt").chmod(0o644)
    (new / "key").replace(certificate.with_suffix(".key"))
    (new / "crt").replace(certificate)


def _openssl(*words: str) -> str:
    program = shutil.which("openssl")
    if program is None:
        raise ConfigError("the program openssl is not installed: apt install openssl")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)  # noqa: S603 - no shell, checked names
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise ConfigError(f"openssl {words[0]}: {said[-1]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
