"""PyNvVideoCodec without a GPU: the part that Darner calls, with pictures that hold only their number."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

NO_STAMP = -(2**63)


class FakeLibrary:
    """The module.

    Attributes:
        caps: What `GetDecoderCaps` gives.
        stamps: Time stamp of each of a film's pictures, in the order of display; two come with each packet.
        size: Width and height.
        kind: Codec of a film.
        pixels: Format of the pictures.
        colour: Colour space and range of a film.
        fails_at: Packet at which the decoder raises.
        opened: What `CreateDecoder` was asked for.
        packets: Packets of streams.
        asked: How often `GetDecoderCaps` was called.
    """

    DisplayDecodeLatencyType = SimpleNamespace(NATIVE="native", LOW="low")
    VideoPacketFlag = SimpleNamespace(ENDOFPICTURE="end of picture")
    cudaVideoCodec = SimpleNamespace(  # noqa: N815 - the library's name
        H264=SimpleNamespace(name="H264"), HEVC=SimpleNamespace(name="HEVC")
    )
    PacketData = SimpleNamespace

    def __init__(self) -> None:
        self.caps = {"supported": 1, "width_max": 4096, "height_max": 4096, "width_min": 48, "height_min": 16}
        self.stamps = list(range(0, 10240, 1024))
        self.size = 64, 48
        self.kind, self.pixels, self.colour = "H264", "NV12", ("UNSPEC", "UDEF")
        self.fails_at = -1
        self.opened: list[dict[str, Any]] = []
        self.packets: list[Any] = []
        self.asked = 0

    def CreateDemuxer(self, filename: str) -> Any:  # noqa: N802 - the library's name
        if "broken" in filename:
            raise RuntimeError(
                "CreateFormatContext : \nError code : -1\nError Type : Invalid data found\nat /a/b.h:984"
            )
        return _Demuxer(self)

    def GetDecoderCaps(self, **_asked: Any) -> dict[str, int]:  # noqa: N802 - the library's name
        self.asked += 1
        return self.caps

    def CreateDecoder(self, **asked: Any) -> Any:  # noqa: N802 - the library's name
        self.opened.append(asked)
        return _Decoder(self)


class _Demuxer:
    def __init__(self, library: FakeLibrary) -> None:
        self._library = library

    def __iter__(self) -> Iterator[Any]:
        stamps = self._library.stamps
        return iter([SimpleNamespace(stamps=stamps[at : at + 2]) for at in range(0, len(stamps), 2)])

    def __getattr__(self, name: str) -> Any:
        library = self._library
        space, values = library.colour
        answers = {
            "GetNvCodecId": SimpleNamespace(name=library.kind),
            "Width": library.size[0],
            "Height": library.size[1],
            "ChromaFormat": "4:2:0",
            "BitDepth": 8,
            "ColorSpace": SimpleNamespace(name=space),
            "ColorRange": SimpleNamespace(name=values),
            "GetTimebaseNum": 1,
            "GetTimebaseDen": 10240,
        }
        return lambda: answers[name]


class _Decoder:
    def __init__(self, library: FakeLibrary) -> None:
        self._library, self._packets = library, 0

    def Decode(self, packet: Any) -> list[Any]:  # noqa: N802 - the library's name
        self._library.packets.append(packet)
        self._packets += 1
        if self._packets == self._library.fails_at:
            raise RuntimeError("Decode : \nError code : 999\nError Type : unknown error\nat x.cpp:1")
        stamps = packet.stamps if hasattr(packet, "stamps") else [packet.pts]
        return [_Frame(self._library, stamp) for stamp in stamps]


class _Frame:
    def __init__(self, library: FakeLibrary, stamp: int) -> None:
        width, height = library.size
        self._stamp = stamp
        self.format = SimpleNamespace(name=library.pixels)
        rows = height + (height + 1) // 2
        self._memory = np.full((rows, width), 128, np.uint8)
        self.shape, self.strides = self._memory.shape, self._memory.strides
        self._starts = self._memory.ctypes.data, self._memory.ctypes.data + height * width
        self._luma = {"shape": (height, width, 1)}

    def getPTS(self) -> int:  # noqa: N802 - the library's name
        return self._stamp

    def GetPtrToPlane(self, plane: int) -> int:  # noqa: N802 - the library's name
        return self._starts[plane]

    def cuda(self) -> list[Any]:
        return [SimpleNamespace(__cuda_array_interface__=self._luma)]
