"""No webcam is here: the driver is a stand-in that fills the kernel's structures."""

from __future__ import annotations

import errno
import struct
from pathlib import Path

import pytest

from edge_node.discover.webcams import Webcam, find

PICTURES, METADATA = 0x0000_0001, 0x0080_0000


class Driver:
    """Answers as uvcvideo does: two formats, the second with a range of sizes."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __call__(self, device: int, number: int, said: bytearray) -> None:
        node = Path(f"/proc/self/fd/{device}").readlink().name
        index = struct.unpack_from("=I", said)[0]
        if number == 0x8068_5600:  # VIDIOC_QUERYCAP
            this_one = PICTURES if node == "video0" else METADATA
            struct.pack_into("=16s32s32sIII", said, 0, b"uvc", b"C920\0", b"usb", 6, 0x8480_0001, this_one)
        elif number == 0xC040_5602 and index < 2:  # VIDIOC_ENUM_FMT
            said[44:48] = (b"MJPG", b"YUYV")[index]
        elif number == 0xC02C_564A and said[4:8] == b"MJPG" and index < 2:  # VIDIOC_ENUM_FRAMESIZES
            struct.pack_into("=III", said, 8, 1, *((640, 480), (1920, 1080))[index])
        elif number == 0xC02C_564A and said[4:8] == b"YUYV" and index < 1:
            struct.pack_into("=I6I", said, 8, 3, 160, 1280, 8, 120, 720, 8)
        else:
            raise OSError(errno.EINVAL, "Invalid argument")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dev").mkdir()
    for name in ("video0", "video1", "video-codec"):
        (tmp_path / "dev" / name).touch()
    return tmp_path


def test_a_webcam_names_itself_and_its_sizes_and_its_second_entry_is_left_out(root: Path) -> None:
    formats = {"MJPG": [(1920, 1080), (640, 480)], "YUYV": [(1280, 720)]}
    assert find(root, Driver(root)) == [Webcam(path="/dev/video0", name="C920", formats=formats)]


def test_a_driver_that_does_not_answer_is_said(root: Path) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")

    (root / "sys/class/video4linux/video0").mkdir(parents=True)
    (root / "sys/class/video4linux/video0/name").write_text("Front\x1b cam\n")
    found = find(root, broken)
    assert [one.trouble for one in found] == ["Inappropriate ioctl for device"] * 2
    assert found[0].name == "Front\\x1b cam"


def test_a_driver_whose_lists_never_end_is_not_believed(root: Path) -> None:
    def endless(_device: int, number: int, said: bytearray) -> None:
        if number == 0x8068_5600:
            struct.pack_into("=II", said, 84, PICTURES, PICTURES)
        else:
            said[44:48] = struct.pack("=I", struct.unpack_from("=I", said)[0] + 0x41414141)

    assert all(len(one.formats) <= 64 for one in find(root, endless))
