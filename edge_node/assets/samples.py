"""The demo video: people walking in front of a fixed camera (OpenCV's sample ``vtest.avi``)."""

from __future__ import annotations

import logging
import shutil
import subprocess
import tempfile
from pathlib import Path

from edge_node.assets.download import DownloadError, cache_dir, fetch, sha256
from shared.errors import SourceError
from shared.files import at_home

log = logging.getLogger("darner.samples")

NAME = "vtest.avi"
SHA256 = "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf"
URL = "https://raw.githubusercontent.com/opencv/opencv/4.x/samples/data/vtest.avi"
_IN_PACKAGE = "usr/share/doc/opencv-doc/examples/data/vtest.avi"


def find_video(given: str | None = None) -> Path:
    """The path of a video to show, downloaded from OpenCV or out of Debian's ``opencv-doc`` where necessary.

    Args:
        given: A video to use instead of the sample.

    Raises:
        SourceError: The given file is missing, or no download works; the text says where to put a file.
    """
    if given is not None:
        path = at_home(given)
        if not path.is_file():
            raise SourceError(f"{given}: no such video file")
        return path
    target = cache_dir() / "videos" / NAME
    reasons = []
    for source in (_from_opencv, _from_debian):
        try:
            return source(target)
        except DownloadError as error:
            reasons.append(str(error))
            log.info("%s", error)
    raise SourceError(
        f"the demo video cannot be downloaded: {'; '.join(reasons)}. "
        f"Put any video at {target}, or name one with DEMO_SOURCE=..."
    )


def _from_opencv(target: Path) -> Path:
    # A user may put another video there: only a downloaded one must keep its recorded hash.
    return fetch(URL, target, None if target.is_file() else SHA256)


def _from_debian(target: Path) -> Path:
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise DownloadError("package opencv-doc: needs apt-get and dpkg-deb (Debian, Ubuntu)")
    log.info("downloading Debian's package opencv-doc for its sample video")
    with tempfile.TemporaryDirectory() as folder:
        # Downloading and unpacking need no root, but apt must have its package lists.
        _run(["apt-get", "download", "opencv-doc"], folder)
        package = next(Path(folder).glob("opencv-doc_*.deb"), None)
        if package is None:
            raise DownloadError("package opencv-doc: nothing was downloaded")
        _run(["dpkg-deb", "-x", package.name, "unpacked"], folder)
        video = Path(folder) / "unpacked" / _IN_PACKAGE
        if not video.is_file() or sha256(video) != SHA256:
            raise DownloadError(
                f"package opencv-doc: {_IN_PACKAGE} is missing, or is another file than expected"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(video, target)
    target.with_name(target.name + ".sha256").write_text(f"{SHA256}  {NAME}\n")
    return target


def _run(command: list[str], folder: str) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=300)  # noqa: S603 - fixed programs, no user input
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()[-1:] or [f"exit code {error.returncode}"]
        raise DownloadError(f"{' '.join(command)}: {last[0]} (apt-get update may help)") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DownloadError(f"{' '.join(command)}: {error}") from None


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    print(find_video())
