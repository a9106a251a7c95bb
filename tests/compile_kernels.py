"""Compiles the CUDA sources to PTX with NVRTC, with or without a GPU: `make kernels`.

Use the compiler of CUDA 11.7, for the oldest architecture on which TensorRT 8.6 runs. Its PTX loads on every
driver since R515; PTX of a newer compiler needs a newer driver.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import re
from pathlib import Path

SOURCES = sorted((Path(__file__).parent.parent / "edge_node" / "backends" / "cuda").rglob("*.cu"))
_INCLUDE = re.compile(r'^#include "(.+)"\n', re.MULTILINE)
OPTIONS = ("--gpu-architecture=compute_53", "--std=c++14")


def whole(source: Path) -> str:
    """A source with what it includes in its place: NVRTC reads no other files."""
    return _INCLUDE.sub(lambda found: whole(source.parent / found[1]), source.read_text())


def header(source: Path) -> str:
    """The line by which PTX names the source that it was compiled from."""
    return f"// {source.name}, SHA-256 {hashlib.sha256(whole(source).encode()).hexdigest()}\n"


def compile_ptx(nvrtc: ctypes.CDLL, source: Path) -> str:
    """PTX of a CUDA source.

    Raises:
        RuntimeError: The source does not compile; the text is the compiler's.
    """
    program = ctypes.c_void_p()
    text, name = whole(source).encode(), source.name.encode()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, name, 0, None, None)
    options = [option.encode() for option in OPTIONS]
    failed = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    size = ctypes.c_size_t()
    if failed:
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, log)
        raise RuntimeError(log.value.decode())
    nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
    ptx = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetPTX(program, ptx)
    return ptx.value.decode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("nvrtc", type=Path, help="libnvrtc.so")
    args = parser.parse_args()
    nvrtc = ctypes.CDLL(str(args.nvrtc))
    for source in SOURCES:
        ptx = source.with_suffix(".ptx")
        ptx.write_text(header(source) + compile_ptx(nvrtc, source))
        print(f"{ptx}: {ptx.stat().st_size} bytes")


if __name__ == "__main__":
    main()
