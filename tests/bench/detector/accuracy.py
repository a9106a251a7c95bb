"""mAP of every model in every precision that runs here: writes the table of docs/reference/accuracy.md.

Run it from the project's root: `python tests/bench/detector/accuracy.py`. It needs `../shared`, makes the
FP16 and INT8 files with the toolchain in `build/accuracy`, and goes on with what is there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import onnxslim

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from optimization.__main__ import main

SHARED = Path("../shared")
DATA = SHARED / "data" / "coco_mini_val"
DOCUMENT = Path("docs/reference/accuracy.md")
START, END = "<!-- table -->\n", "<!-- end of table -->\n"
PICTURES = 100
"""For calibration; fewer for networks of large inputs, whose histograms take long."""
FEWER = {"rtmdet_nano_person": 24}
MODELS: dict[str, list[str]] = {
    "nanodet_g": [],
    str(SHARED / "models/yolox_nano.onnx"): [],
    str(SHARED / "models/picodet_s_416.onnx"): ["--layout", "auto"],
    str(SHARED / "models/rtmdet_nano_person.onnx"): ["--labels", "person"],
}
HEADER = (
    "| model | precision | input | AP | AP50 | AP75 | loss of AP, points | file, MB |\n" + "|---" * 8 + "|\n"
)


def run(words: list[str]) -> bool:
    """Whether a command of the toolchain succeeded; it prints its own error."""
    print("optimization", *words)
    return main(words) == 0


def precisions(model: str, options: list[str], folder: Path) -> Iterator[tuple[str, str]]:
    """Precision and file of everything that can be made of a model."""
    stem = Path(model).stem
    yield "FP32", model
    for precision, words in {
        "FP16": ["fp16", "--images", str(DATA / "images")],
        "INT8": ["quantize", "--images", str(DATA / "images"), "--pictures", str(FEWER.get(stem, PICTURES))],
    }.items():
        output = folder / f"{stem}_{precision.lower()}.onnx"
        extra = ["--model", model, "--output", str(output), *options]
        if output.exists() or run([words[0], *extra, *words[1:]]):
            yield precision, str(output)


def score(path: str, options: list[str], result: Path) -> dict[str, Any]:
    """The result of `evaluate detector`, from an earlier run if there is one."""
    if not result.exists():
        words = ["--model", path, "--backend", "onnxruntime", "--json", str(result), *options]
        if "person" in options:
            words += ["--classes", "person"]
        truth = ["--images", str(DATA / "images"), "--annotations", str(DATA / "instances.json")]
        if not run(["evaluate", "detector", *words, *truth]):
            return {}
    found: dict[str, Any] = json.loads(result.read_text())
    return found


def table(folder: Path) -> str:
    """The table in Markdown."""
    lines = []
    for model, options in MODELS.items():
        base: dict[str, Any] = {}
        for precision, path in precisions(model, options, folder):
            found = score(path, options, folder / f"{Path(model).stem}_{precision}.json")
            if not found:
                continue
            base = base or found
            loss = "" if precision == "FP32" else f"{100 * (base['ap'] - found['ap']):.1f}"
            size = Path(path).stat().st_size / 1e6 if Path(path).is_file() else 7.6
            numbers = " | ".join(f"{100 * found[key]:.1f}" for key in ("ap", "ap50", "ap75"))
            shape = "x".join(map(str, found["input"]))
            person = " (person)" if "person" in options else ""
            lines.append(
                f"| {Path(model).stem}{person} | {precision} | {shape} | {numbers} | {loss} | {size:.1f} |\n"
            )
    packages = (onnxruntime, onnx, onnxslim)
    versions = ", ".join(f"{package.__name__} {package.__version__}" for package in packages)
    calibrated = f"INT8 calibrated by entropy on {PICTURES} of the pictures, rtmdet on 24."
    return f"{HEADER}{''.join(lines)}\n{versions}; {calibrated}\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/accuracy"))
    args = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"needs the test data in {DATA}")
    text = table(args.folder)
    document = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = document.partition(START)
    DOCUMENT.write_text(before + START + text + END + rest.partition(END)[2], encoding="utf-8")
    print(text)
