"""Whether a model that has learnt takes the place of the one before.

The new weights are drawn back towards the old ones, further if something else was lost by them. Source:
Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022: between the two, a model often does
better on what it learnt than at either end, and has forgotten far less.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx

from edge_node.assets.names import Layout
from edge_node.backends.preprocess import InputFormat
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from edge_node.frames import Detections
from optimization.graph import graphs
from optimization.measure import accuracy
from optimization.measure.coco import Truth
from optimization.training import judge
from optimization.training.augment import Boxes
from optimization.training.judge import Verdict
from optimization.training.material import Still
from optimization.training.network.interpreter import Network
from shared.errors import ConfigError

_SHARES, _SHARES_OF_ITSELF = (0.6, 0.4, 0.25), (0.4, 0.25)
"""Shares of what was learnt that are tried; the first that keeps the other classes wins. What a model taught
itself comes with its own mistakes, of which the pictures that judge say nothing, so less of it is taken."""
_NOTHING = 10.0
"""A model with less AP than this knows nothing that would be worth going back to: all is taken."""
_OTHERS = 80
"""At most so many pictures that do not judge are looked at for other classes."""
_AGREEMENT, _POINTS = 0.9, 1.0
"""Other classes are kept with this share of agreement on the pictures, and at most so many points less."""


@dataclass(frozen=True, slots=True, eq=False)
class Student:
    """The model that learns: its settings, and what its detector says of it."""

    settings: ModelSettings
    path: Path
    layout: Layout
    names: tuple[str, ...]
    target: InputFormat


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What one model sees.

    Attributes:
        found: In each picture that is shown.
        kept: AP of the classes to keep on annotated pictures, in points; None without such pictures.
    """

    found: list[Detections]
    kept: float | None


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """One new model, with the share of what was learnt, and what is said of it."""

    model: onnx.ModelProto
    share: float
    verdict: Verdict
    others: dict[str, float]
    lost: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Judging:
    """The pictures that judge, what must be kept, and whether the model was its own teacher."""

    student: Student
    stills: Sequence[Still]
    truth: Sequence[Boxes]
    held: Sequence[int]
    taught: Sequence[int]
    keep: Sequence[str]
    keep_on: tuple[Path, Truth] | None
    itself: bool
    seed: int

    @property
    def shown(self) -> list[int]:
        """Places of the pictures that are shown: those that judge, and some more for other classes."""
        held = set(self.held)
        others = [place for place in range(len(self.stills)) if place not in held]
        step = max(1, -(-len(others) // _OTHERS))
        return sorted([*held, *others[::step]])

    def see(self, model: onnx.ModelProto) -> Seen:
        """What a model sees in the pictures that are shown.

        Raises:
            DarnerError: A picture cannot be read, or the pictures to keep classes on are no use.
        """
        return Seen(self._see(model), self._ap(model))

    def choose(
        self, network: Network, weights: Mapping[str, Any], before: Seen
    ) -> tuple[onnx.ModelProto | None, float, Verdict, dict[str, float], str]:
        """The new model if it is better, and why.

        Args:
            network: Has learnt.
            weights: What it learnt.
            before: What the old model sees.

        Returns:
            The model or None, the share of what was learnt, the verdict, the other classes, and why.
        """
        for share in _SHARES_OF_ITSELF if self.itself else _SHARES:
            judged = self._judge(network, weights, before, share)
            if judged.lost is None:
                break
        if judged.verdict.before < _NOTHING and not self.itself:
            whole = self._judge(network, weights, before, 1.0)
            judged = whole if whole.lost is None else judged
        verdict, lost = judged.verdict, judged.lost
        why = (
            f"AP {verdict.before:.1f} -> {verdict.after:.1f} (gain {verdict.low:+.1f} to {verdict.high:+.1f})"
        )
        if not verdict.better:
            why = f"not better by more than noise on the pictures that judge: {why}"
        elif lost is not None:
            why = f"better where it was judged, {why}, but {lost}"
        else:
            why = f"better where it was judged: {why}"
        made = judged.model if verdict.better and lost is None else None
        return made, judged.share, verdict, judged.others, why

    def _judge(self, network: Network, weights: Mapping[str, Any], before: Seen, share: float) -> _Judged:
        """What becomes of a share of what was learnt."""
        first = Network(graphs.load(self.student.path)).weights
        mixed = {name: first[name].detach().lerp(weight.cpu(), share) for name, weight in weights.items()}
        made = network.onnx(mixed)
        after = self.see(made)
        others = self._others(before, after)
        return _Judged(made, share, self._verdict(before.found, after.found), others, _lost(others))

    def _see(self, model: onnx.ModelProto) -> list[Detections]:
        """What a model sees."""
        settings = replace(self.student.settings, confidence=0.02, max_detections=100)
        with tempfile.TemporaryDirectory() as folder:
            graphs.save(model, Path(folder) / "model.onnx")
            with Detector(replace(settings, name=str(Path(folder) / "model.onnx"))) as detector:
                return [detector.detect(self.stills[place].read())[0] for place in self.shown]

    def _verdict(self, before: Sequence[Detections], after: Sequence[Detections]) -> Verdict:
        held = set(self.held)
        at = [number for number, place in enumerate(self.shown) if place in held]
        old, new = ([found[place] for place in at] for found in (before, after))
        truth = [self.truth[place] for place in sorted(self.held)]
        scenes = {self.stills[place].group for place in self.held}
        alike = len(scenes) < len(self.held) / 2  # most pictures have a neighbour that shows the same
        return judge.compare(old, new, truth, self.taught, video=alike, seed=self.seed)

    def _kept(self) -> list[int]:
        names = self.student.names
        others = [kind for kind in range(len(names)) if kind not in self.taught]
        return [kind for kind in others if not self.keep or names[kind] in self.keep]

    def _ap(self, model: onnx.ModelProto) -> float | None:
        """AP of the classes to keep on the annotated pictures, in points; None without such pictures."""
        if self.keep_on is None:
            return None
        annotations, truth = self.keep_on
        kept = [self.student.names[kind] for kind in self._kept()]
        if not (there := tuple(name for name in kept if name in truth.categories)):
            raise ConfigError(f"--keep-on {annotations}: has none of the classes to keep")
        with tempfile.TemporaryDirectory() as folder:
            graphs.save(model, Path(folder) / "model.onnx")
            settings = replace(self.student.settings, name=str(Path(folder) / "model.onnx"))
            return 100 * float(accuracy.evaluate(settings, truth, there).ap or 0.0)

    def _others(self, before: Seen, after: Seen) -> dict[str, float]:
        kept = self._kept() if self.keep else judge.often(before.found, self._kept())
        objects, share = judge.agreement(before.found, after.found, kept)
        found = {"objects": float(objects), "agreement": share}
        if before.kept is not None and after.kept is not None:
            found |= {"ap_before": before.kept, "ap_after": after.kept}
        return found


def _lost(others: Mapping[str, float]) -> str | None:
    """What the other classes lost, in words; None: nothing that counts."""
    if "ap_before" in others:
        if others["ap_after"] < others["ap_before"] - _POINTS:
            return f"the other classes fell from AP {others['ap_before']:.1f} to {others['ap_after']:.1f}"
        return None
    if others["agreement"] < _AGREEMENT:
        return f"only {others['agreement']:.0%} of the other classes' {others['objects']:.0f} objects stayed"
    return None
