"""The result of comparing an engine with the ONNX file that it was built from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an engine finds what its ONNX file finds.

    Attributes:
        good: Whether it does; None if it could not be checked.
        text: The figures, or why it could not be checked.
        again: Whether the check may succeed at another time, such as when more memory is free.
    """

    good: bool | None
    text: str
    again: bool = False

    def __str__(self) -> str:
        return f"not checked: {self.text}" if self.good is None else self.text


Check = Callable[[Path, Path], Verdict]
"""Compares an ONNX file with the engine that was built from it, on this machine."""
