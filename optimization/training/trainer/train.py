"""A network is trained on a dataset, and comes out as the ONNX file that a node runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimization.dataset.labelled import Dataset
from optimization.training.trainer import families, material, run
from optimization.training.trainer.families import Choice
from optimization.training.trainer.material import Material
from optimization.training.trainer.recipe import Recipe
from optimization.training.trainer.run import Run
from shared.errors import ConfigError
from shared.program import need

if TYPE_CHECKING:
    from optimization.measure.scores import Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What training gave.

    Attributes:
        model: The ONNX file, of the epoch that was best on val.
        best: The checkpoint that it was made of.
        last: The checkpoint of the last epoch.
        dataset: What it learnt from and was judged on; its names are the model's, by class id.
        digest: The dataset's SHA-256, in hexadecimal.
        metrics: A row for each epoch, as `metrics.csv` has it: loss and its parts, AP, AP50, seconds. Epoch
            0 is what the weights were worth before.
        before: What the weights scored on val before training, as the node would have seen it; None for
            random ones.
        after: What the ONNX file scores on val, as the node sees it.
        difference: Largest difference between the outputs of the ONNX file and the checkpoint, as a share of
            the largest output.
    """

    model: Path
    best: Path
    last: Path
    dataset: Dataset
    digest: str
    metrics: tuple[dict[str, Any], ...]
    before: Scores | None
    after: Scores
    difference: float

    def document(self) -> dict[str, Any]:
        """All of it, for a report."""
        return {
            "model": str(self.model),
            "best": str(self.best),
            "last": str(self.last),
            "names": list(self.dataset.names),
            "data": self.digest,
            "epochs": list(self.metrics),
            "before": asdict(self.before) if self.before else None,
            "after": asdict(self.after),
            "largest_relative_difference": self.difference,
        }


def train(
    data: str | Path,
    *,
    model: str,
    out: str | Path,
    weights: str | Path | None = None,
    recipe: Recipe | None = None,
    device: str = "auto",
    workers: int | None = None,
    force: bool = False,
) -> Trained:
    """Train a network on a dataset, and export it.

    Args:
        data: The dataset, split into train and val: a folder, COCO file or ``data.yaml``.
        model: Name of the network, such as ``yolox-nano``; see `families.names`.
        out: Folder for the model, checkpoints, figures and plots.
        weights: A local file to start with: an ONNX file of the same network, or a PyTorch checkpoint; None:
            random weights.
        recipe: How; None: as `Recipe` says.
        device: "cpu", "cuda", "cuda:1", "cuda:0,1" for several GPUs, or "auto".
        workers: Processes that prepare pictures; None: as many as the device can use.
        force: Whether an earlier run in the folder may be overwritten.

    Raises:
        DarnerError: Something cannot be used, or training failed; what is complete is kept.
    """
    recipe, out, data = recipe or Recipe(), Path(out), Path(data)
    choice = families.choose(model)
    recipe.sized(choice)
    _need()
    device = _device(device)
    found = material.load(data)
    wanted = Run(
        model=choice.name,
        data=str(data.absolute()),  # a run is resumed from any folder
        weights=str(Path(weights).absolute()) if weights else None,
        digest=found.digest,
        names=found.dataset.names,
        recipe=recipe,
    )
    run.begin(out, force=force)
    run.save(out, wanted)
    return _train(wanted, choice, found, out, device, workers)


def resume(out: str | Path, *, device: str = "auto", workers: int | None = None) -> Trained:
    """Go on with a run that was interrupted, from its last complete epoch; arguments are those of `train`.

    Raises:
        DarnerError: There is no such run, its dataset has changed, or training failed.
    """
    _need()
    out = Path(out)
    wanted = run.load(out)
    if (out / run.MODEL).exists():
        raise ConfigError(f"--resume: the run of {out} is complete: {out / run.MODEL}")
    found = material.load(Path(wanted.data))
    if (found.digest, found.dataset.names) != (wanted.digest, wanted.names):
        raise ConfigError(
            f"--resume: {wanted.data} has changed since the run of {out} began; begin a new run"
        )
    return _train(wanted, families.choose(wanted.model), found, out, _device(device), workers)


def _need() -> None:
    need("torch", "torchvision", "libreyolo", extra="train")
    need("onnx", "onnxslim", "onnxscript", "pycocotools", "matplotlib", extra="optimize")


def _device(text: str) -> str:
    """The device as the trainer names it: "cpu", "cuda:0", or "0,1" for several."""
    import torch

    if text == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    name, _, numbers = text.partition(":")
    if text == "cpu":
        return text
    chosen = numbers.split(",") if numbers else ["0"]
    if name != "cuda" or not all(number.isdigit() for number in chosen):
        raise ConfigError(f"--device {text}: must be auto, cpu, cuda, cuda:1 or cuda:0,1")
    there = torch.cuda.device_count()
    if any(int(number) >= there for number in chosen):
        raise ConfigError(f"--device {text}: PyTorch finds {there} NVIDIA GPUs here")
    return f"cuda:{chosen[0]}" if len(chosen) == 1 else ",".join(chosen)


def _train(
    wanted: Run, choice: Choice, found: Material, out: Path, device: str, workers: int | None
) -> Trained:
    from optimization.training.trainer import fit, report

    done = False
    try:
        with fit.in_words(wanted, out):
            fit.begin(wanted, choice, found, out)
            fit.learn(wanted, choice, found, out, device, workers)
            difference = fit.finish(wanted, choice, out)
            before, after, rows = report.write(choice, found, out)
        done = True
    finally:
        run.tidy(out, done=done)
    return Trained(
        model=out / run.MODEL,
        best=out / run.BEST,
        last=out / run.LAST,
        dataset=found.dataset,
        digest=wanted.digest,
        metrics=tuple(rows),
        before=before,
        after=after,
        difference=difference,
    )
