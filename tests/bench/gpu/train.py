"""How fast a network is trained from nothing, and what it has learnt after some minutes.

Two epochs tell how long one takes; then a run of as many epochs as fit into the time. Prints pictures a
second, the AP of each epoch, the parity of the export and the memory that PyTorch took. Without --data, the
pictures are drawn. Without a GPU, it runs on the processor.

    .venv/bin/python -m tests.bench.gpu.train --model yolox-tiny --minutes 5
    .venv/bin/python -m tests.bench.gpu.train --model dfine-n --minutes 5 --batch 32 --device cuda:0,1
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median

from optimization.training.trainer.recipe import Recipe
from optimization.training.trainer.train import Trained, train
from tests.optimization.training.trainer.conftest import write_dataset


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="yolox-tiny")
    parser.add_argument("--data", type=Path, help="a dataset with train and val (default: drawn boxes)")
    parser.add_argument("--pictures", type=int, default=2000, help="pictures that are drawn to learn from")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, help="width and height of the input")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = args.data or _drawn(Path(folder) / "data", args.pictures)

        def run(epochs: int, name: str) -> Trained:
            recipe = Recipe(epochs=epochs, batch=args.batch, side=args.size)
            out = Path(folder) / name
            return train(
                data, model=args.model, out=out, recipe=recipe, device=args.device, workers=args.workers
            )

        # The first epoch also compiles kernels and starts workers.
        seconds = run(2, "short").metrics[-1]["seconds"]
        epochs = max(2, int(60 * args.minutes / seconds))
        print(f"an epoch takes {seconds:.1f} s: {epochs} epochs in {args.minutes:g} minutes", flush=True)
        done = run(epochs, "long")
        _tell(args.model, done)


def _drawn(folder: Path, count: int) -> Path:
    half = max(1, count // 2)
    judged = max(1, count // 20)
    return write_dataset(
        folder, {"train": {"red": half, "blue": half}, "val": {"red": judged, "blue": judged}}, side=320
    )


def _tell(model: str, done: Trained) -> None:
    import torch

    speed = median(row["pictures_s"] for row in done.metrics[1:])
    print("AP by epoch:", " ".join(f"{row['ap']:.1f}" for row in done.metrics))
    print(f"{model}: {speed:.1f} pictures/s with validation, AP {100 * done.after.ap:.1f} as a node sees it")
    print(f"export: same outputs as PyTorch within {done.difference:.1e}")
    for number in range(torch.cuda.device_count()):
        taken = torch.cuda.max_memory_allocated(number) / 1e9
        print(f"{torch.cuda.get_device_name(number)}: {taken:.2f} GB at most, in this process")


if __name__ == "__main__":
    main()
