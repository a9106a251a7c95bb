"""A model becomes better for one camera: the ONNX file that the node runs is fine-tuned itself.

Enter by `adapt()`. `choosing.py` says whether the new model is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_node.assets.download import sha256
from edge_node.assets.models import BUILT_IN, DEFAULT, find_model
from edge_node.detect.detector import Detector
from edge_node.machine.hardware import usable_cores
from optimization import detectors
from optimization.graph import graphs
from optimization.measure.coco import read_truth
from optimization.training import annotated, lineage, material, teachers
from optimization.training.annotated import Annotated
from optimization.training.augment import Boxes
from optimization.training.choosing import Judging, Student
from optimization.training.fit import Example, Plan, chosen_device, fit
from optimization.training.judge import OFTEN, Verdict
from optimization.training.material import Still
from optimization.training.network.answers import supported
from optimization.training.network.interpreter import Network
from optimization.training.schedule import Allowance
from shared.errors import ConfigError

SELF = "self"
"""The teacher that is the model itself."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """What came of it.

    Attributes:
        written: The new file; None: the old model is better, or as good.
        why: What decided, in a sentence with figures.
        taught: Names of the classes that were learnt.
        verdict: AP of those on the pictures that judge, before and after.
        others: What became of the other classes: "objects" and "agreement" on the pictures, "ap_before" and
            "ap_after" on annotated ones.
        share: How much of what was learnt is in the file, 0..1: most, unless that costs other classes.
        losses: Mean loss of each epoch.
        pictures: How many were learnt from, and how many judged.
        parent: SHA-256 of the model's file.
        data: SHA-256 of the training data.
        seconds: How long it took.
    """

    written: Path | None
    why: str
    taught: tuple[str, ...]
    verdict: Verdict
    others: dict[str, float]
    share: float
    losses: tuple[float, ...]
    pictures: tuple[int, int]
    parent: str
    data: str
    seconds: float

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"written": None if self.written is None else str(self.written)}


def adapt(
    model: str,
    pictures: Path | None = None,
    *,
    out: Path,
    video: Path | None = None,
    frames: int | None = None,
    labels: Path | None = None,
    teachers: Sequence[str] = (),
    teacher_labels: Sequence[str] = (),
    classes: Sequence[str] = (),
    keep: Sequence[str] = (),
    keep_on: tuple[Path, Path] | None = None,
    plan: Plan | None = None,
    say: Say = print,
) -> Adapted:
    """Fine-tune a model on pictures of one camera, and write it if it has become better there.

    Args:
        model: An ONNX file, the name of a known model, or "built-in".
        pictures: A folder of pictures.
        out: The file to write; a file that is there is kept as ``OUT.previous``.
        video: A video instead of pictures.
        frames: Only the first so many frames of the video.
        labels: An annotated dataset, instead of teachers: a folder, COCO file or ``data.yaml``. With it,
            `pictures` says where a COCO file's pictures are, if not where the file says.
        teachers: Models that label the pictures; ("self",) for the model itself, which looks longer.
        teacher_labels: Names of the classes of teachers that do not name theirs; none: COCO's.
        classes: What to learn; none: every class that is seen often enough.
        keep: Other classes that must not get worse; none: all.
        keep_on: COCO annotations and their pictures, to see that on; None: the model's own answers.
        plan: How it learns.
        say: Is told each step.

    Returns:
        What came of it. `written` is None where the old model stays.

    Raises:
        DarnerError: The model cannot be trained, pictures or labels are no use, or the disk takes no file.
    """
    plan = plan or Plan()
    time_left = Allowance(plan.minutes)
    torch.set_num_threads(min(torch.get_num_threads(), usable_cores()))
    device = chosen_device(plan.device)
    gather = partial(_gather, pictures, video, frames, labels, teachers, say)
    student, given = _student(model, gather)
    _known(student.names, "--keep", keep)
    _known(student.names, "--classes", classes)
    # A mistake in it is said now, and not after teachers have looked.
    kept_on = None if keep_on is None else (keep_on[0], read_truth(*keep_on))
    original = graphs.load(student.path)
    network = Network(original, device)
    truth, known = given.truth, given.known
    if not given.digest:
        truth, known = _taught_by(student, given.stills, teachers, teacher_labels, time_left)
    learn, held = given.parts or material.split(given.stills)
    often = 0.0 if given.digest else OFTEN
    taught = classes_to_learn(student.names, truth, known, (learn, held), classes, often, say)
    truth = [_only(boxes, taught) for boxes in truth]
    names = tuple(student.names[kind] for kind in taught)
    say(f"learning {', '.join(names)} from {len(learn)} pictures; {len(held)} others judge")
    itself = tuple(teachers) == (SELF,)
    judging = Judging(student, given.stills, truth, held, taught, keep, kept_on, itself, plan.seed)
    begun = time.monotonic()
    before = judging.see(original)
    seconds = time_left.for_learning(time.monotonic() - begun)
    examples = [Example(given.stills[place].read, truth[place]) for place in learn]
    weights, losses = fit(network, student.layout, student.target, examples, taught, plan, seconds)
    data = given.digest or material.digest(
        [given.stills[place] for place in learn], [truth[place] for place in learn], student.names
    )
    made, share, verdict, others, why = judging.choose(network, weights, before)
    parent = sha256(student.path)
    if made is not None:
        lineage.note(made, student.path, data, "adapt")
        lineage.replace(out, made)
    return Adapted(
        written=None if made is None else out,
        why=why,
        taught=names,
        verdict=verdict,
        others=others,
        share=share,
        losses=tuple(losses),
        pictures=(len(learn), len(held)),
        parent=parent,
        data=data,
        seconds=round(time_left.spent(), 1),
    )


def _gather(
    pictures: Path | None,
    video: Path | None,
    frames: int | None,
    labels: Path | None,
    teachers: Sequence[str],
    say: Say,
    names: Sequence[str],
) -> Annotated:
    """The pictures; where labels are given, with what is in them."""
    if labels is None and (pictures is None) == (video is None):
        raise ConfigError("name either a folder of pictures or a video to adapt to")
    if (labels is None) == (not teachers):
        raise ConfigError("name either labels or a teacher (self: the model itself, which looks longer)")
    if labels is not None:
        if video is not None:
            raise ConfigError("labels belong to pictures; a video has none: leave --video out")
        return annotated.read(labels, pictures, names, say)
    stills = material.of_video(video, frames) if video else material.of_folder(pictures or Path())
    return Annotated(stills, [], [], None, "")


def _student(model: str, gather: Callable[[Sequence[str]], Annotated]) -> tuple[Student, Annotated]:
    """The model that learns, and the pictures that decide which input it learns with."""
    path = find_model(DEFAULT if model == "built-in" else model)
    name = model if model not in ("built-in", DEFAULT) else str(BUILT_IN / f"{DEFAULT}.onnx")
    settings = detectors.build(name=name, backend="onnxruntime")
    with Detector(settings) as detector:
        layout, names = supported(detector.layout), detector.class_names
        given = gather(names)
        sizes = {still.read().shape[1::-1] for still in given.stills[:: max(len(given.stills) // 20, 1)]}
        targets = {detector.target(width, height) for width, height in sizes}
        target = targets.pop() if len(targets) == 1 else detector.input_format
    settings = replace(settings, name=str(path), layout=layout, labels=names)
    return Student(settings, path, layout, names, target), given


def _taught_by(
    student: Student,
    stills: Sequence[Still],
    asked: Sequence[str],
    names: Sequence[str],
    time_left: Allowance,
) -> tuple[list[Boxes], list[int]]:
    """What teachers see in each picture, and the classes that they know."""
    seconds = time_left.for_labels()
    if tuple(asked) == (SELF,):
        return (
            teachers.labels_of_self(student.settings, stills, seconds=seconds),
            list(range(len(student.names))),
        )
    if SELF in asked:
        raise ConfigError("the teacher self stands alone; or name the model's file among the teachers")
    return teachers.labels_of(asked, stills, student.names, names, seconds=seconds)


def classes_to_learn(
    names: Sequence[str],
    truth: Sequence[Boxes],
    known: Sequence[int],
    parts: tuple[Sequence[int], Sequence[int]],
    wanted: Sequence[str],
    often: float,
    say: Say,
) -> list[int]:
    """Ids of the classes to learn: those in enough pictures to learn from and in enough that judge."""
    counts = [np.zeros(len(names), np.int64) for _ in parts]
    for count, part in zip(counts, parts, strict=True):
        for place in part:
            count[np.unique(truth[place].class_id[truth[place].sure > 0])] += 1
    least = [1 if wanted else max(1, round(often * len(part))) for part in parts]
    found = [kind for kind in known if not wanted or names[kind] in wanted]
    both = [kind for kind in found if counts[0][kind] >= least[0] and counts[1][kind] >= least[1]]
    for kind in found:
        if kind in both or not counts[0][kind] + counts[1][kind]:
            continue
        if wanted or not min(counts[0][kind], counts[1][kind]):
            where = "that judges" if counts[0][kind] else "to learn from"
            if wanted:
                raise ConfigError(f"{names[kind]}: is in no picture {where}; more pictures are needed")
            say(f"{names[kind]}: is in no picture {where}, and is not learnt")
        else:
            say(f"{names[kind]}: is in few pictures, and is not learnt; --classes would learn it")
    if not both:
        raise ConfigError(
            "there is no sure object to learn, or none to judge by: take pictures with more objects, label "
            "them, or name a better teacher"
        )
    return both


def _known(names: Sequence[str], option: str, wanted: Sequence[str]) -> None:
    """Refuse a class that the model does not have, before teachers spend minutes."""
    for name in wanted:
        if name not in names:
            raise ConfigError(f"{option}: the model has no class {name!r}; name classes that it has")


def _only(boxes: Boxes, kinds: Sequence[int]) -> Boxes:
    keep = np.isin(boxes.class_id, kinds)
    return Boxes(boxes.xyxy[keep], boxes.class_id[keep], boxes.sure[keep])
