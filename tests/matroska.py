"""Writes Matroska files of JPEGs at any times, so that a test knows when each picture is due."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import cv2

from edge_node.pictures import U8


def write(path: Path, images: Sequence[U8], times_ms: Sequence[int], says_ms: int | None = None) -> Path:
    """Write a video.

    Args:
        path: The file.
        images: Its pictures, of one size.
        times_ms: When each is due.
        says_ms: When the header says that it ends; None for 40 ms after the last picture.
    """
    height, width = images[0].shape[:2]
    end = times_ms[-1] + 40 if says_ms is None else says_ms
    info = _element(0x1549A966, _number(0x2AD7B1, 1_000_000), _element(0x4489, struct.pack(">d", float(end))))
    picture = _element(0xE0, _number(0xB0, width), _number(0xBA, height))
    track = _element(
        0xAE, _number(0xD7, 1), _number(0x73C5, 1), _number(0x83, 1), _element(0x86, b"V_MJPEG"), picture
    )
    clusters = [
        _element(0x1F43B675, _number(0xE7, at), _element(0xA3, b"\x81\0\0\x80", _jpeg(image)))
        for image, at in zip(images, times_ms, strict=True)
    ]
    header = _element(0x1A45DFA3, _element(0x4282, b"matroska"), _number(0x4287, 4), _number(0x4285, 2))
    path.write_bytes(header + _element(0x18538067, info, _element(0x1654AE6B, track), *clusters))
    return path


def _jpeg(image: U8) -> bytes:
    return cv2.imencode(".jpg", image)[1].tobytes()


def _element(name: int, *content: bytes) -> bytes:
    body = b"".join(content)
    return (
        name.to_bytes((name.bit_length() + 7) // 8, "big") + (len(body) | 1 << 56).to_bytes(8, "big") + body
    )


def _number(name: int, value: int) -> bytes:
    return _element(name, value.to_bytes(8, "big"))
