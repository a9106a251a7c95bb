"""The weights that training starts from: of a checkpoint, or of an ONNX file whose layers are the network's.

An exporter folds batch normalisation into the convolution before it. Training needs it back. So each
convolution keeps its folded weights, and its batch normalisation gets the mean and variance that real
pictures give there, with the scale and shift that undo them: the network computes the same as before.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from edge_node.backends.preprocess import Preprocessor
from edge_node.detect.detector import Detector
from optimization import detectors, pictures
from optimization.graph import from_torch, graphs
from optimization.training.trainer.families import Choice
from shared.errors import ModelError

_TOLERANCE = 1e-3


def of_onnx(network: Any, choice: Choice, path: Path, shown: Sequence[Path]) -> tuple[str, ...]:
    """Take the weights of an ONNX file over.

    Args:
        network: The PyTorch network, for as many classes as the file knows: see `classes`.
        choice: What it is.
        path: The file.
        shown: Pictures that show what batch normalisation sees.

    Returns:
        The file's class names.

    Raises:
        ModelError: The file is no network of this kind and size, or the outputs differ.
    """
    names, target = read_names(path)
    model = graphs.load(path)
    preprocess = Preprocessor(target)
    tensors = [torch.from_numpy(preprocess(pictures.read(file))[0].copy()) for file in shown]
    network.eval()
    with torch.no_grad():
        layers = _layers(network, tensors[0])
        normalised = _normalised(network)
        _copy(network, model, layers, normalised, choice, path)
        _undo_folding(network, normalised, tensors)
        _compare(network, graphs.runner(model), tensors[0], path)
    return names


def read_names(path: Path) -> tuple[tuple[str, ...], Any]:
    """The class names of an ONNX file and its input, as the detector reads them.

    Raises:
        ModelError: The detector cannot read it.
    """
    with Detector(detectors.build(name=str(path), backend="onnxruntime")) as detector:
        return tuple(detector.class_names), detector.input_format


def of_checkpoint(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The weights and class names of a PyTorch checkpoint; code that is in it does not run.

    Raises:
        ModelError: The file is none.
    """
    if not path.is_file():
        raise ModelError(f"--weights {path}: no such file")
    state = loaded = _loaded(path, f"--weights {path}")
    for key in ("ema", "model", "state_dict"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            state = loaded[key]
            break
    if not isinstance(state, dict) or not any(torch.is_tensor(value) for value in state.values()):
        raise ModelError(f"--weights {path}: holds no weights of a network")
    said = loaded.get("names")
    names = tuple(said.values()) if isinstance(said, dict) else tuple(said or ())
    return {key: value for key, value in state.items() if torch.is_tensor(value)}, names


def epochs_of(path: Path) -> int:
    """How many epochs a checkpoint of this run has behind it; code that is in it does not run.

    Raises:
        ModelError: The file is no checkpoint of a run.
    """
    loaded = _loaded(path, f"--resume: {path}")
    if not isinstance(loaded, dict) or not isinstance(loaded.get("epoch"), int):
        raise ModelError(f"--resume: {path}: is no checkpoint of a run")
    return int(loaded["epoch"]) + 1


def _loaded(path: Path, called: str) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001 - pickle, zip and PyTorch have no common base
        raise ModelError(f"{called}: is no checkpoint that PyTorch reads without running code") from None


def carry_over(state: dict[str, Any], known: Sequence[str], network: Any, wanted: Sequence[str]) -> list[str]:
    """Start a network with the weights of one that knows other classes.

    A class of the same name starts with what is known of it. Other classes start as the network has them.

    Args:
        state: Weights of the network that knows `known`.
        known: Its class names.
        network: Is changed; it knows `wanted`.
        wanted: Its class names.

    Returns:
        The names that both know.

    Raises:
        ModelError: Too few of the weights fit.
    """
    both = [(known.index(name), place) for place, name in enumerate(wanted) if name in known]
    own = network.state_dict()
    fitting = 0
    for key, value in own.items():
        given = state.get(key)
        if given is None:
            continue
        if given.shape == value.shape:
            value.copy_(given)
            fitting += 1
        elif given.shape[1:] == value.shape[1:] and (len(given), len(value)) == (len(known), len(wanted)):
            for old, new in both:
                value[new] = given[old]
            fitting += 1
    if fitting < 0.9 * len(own):
        raise ModelError(
            f"only {fitting} of the network's {len(own)} tensors are in the weights, which are another's"
        )
    network.load_state_dict(own)
    return [wanted[place] for _, place in both]


def _layers(network: Any, tensor: Any) -> list[Any]:
    """The convolutions, in the order in which they run."""
    order: list[Any] = []
    with _watched(network, lambda layer, _: order.append(layer)):
        network(tensor)
    return order


@contextmanager
def _watched(network: Any, see: Callable[[Any, Any], None]) -> Iterator[None]:
    """Tell of each convolution what it returned."""
    hooks = [
        layer.register_forward_hook(lambda layer, _, output: see(layer, output))
        for layer in network.modules()
        if isinstance(layer, torch.nn.Conv2d)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _normalised(network: Any) -> dict[Any, Any]:
    """The batch normalisation behind each convolution that has one."""
    return {
        layer: following
        for module in network.modules()
        for layer, following in itertools.pairwise(module.children())
        if isinstance(layer, torch.nn.Conv2d) and isinstance(following, torch.nn.BatchNorm2d)
    }


def _copy(
    network: Any,
    model: onnx.ModelProto,
    layers: list[Any],
    normalised: dict[Any, Any],
    choice: Choice,
    path: Path,
) -> None:
    """Give each convolution its folded weights; batch normalisation only adds, for now."""
    folded = _fitting(_folded(model), layers)
    if folded is None:  # a tool has sorted the nodes anew: their order in depth is that of the network's own
        own = _own_graph(network)
        places = {node.output[0]: place for place, node in enumerate(_convolutions(own.graph.node))}
        order = [places[node.output[0]] for node in _in_depth(own)]
        sorted_layers = [layers[place] for place in order]
        folded = _fitting(_folded(model, in_depth=True), sorted_layers)
        layers = sorted_layers
    if folded is None:
        count = len(_convolutions(model.graph.node))
        raise ModelError(
            f"--weights {path}: has {count} convolutions that do not fit those of {choice.name}; a "
            "checkpoint (.pt) of it does, and --weights none starts from nothing"
        )
    for (weight, *bias), layer in zip(folded, layers, strict=True):
        layer.weight.copy_(torch.from_numpy(np.array(weight)))
        shift = torch.from_numpy(np.array(bias[0])) if bias else torch.zeros(len(layer.weight))
        following = normalised.get(layer)
        if following is None:
            layer.bias.copy_(shift)
        else:
            following.running_mean.zero_()
            following.running_var.fill_(1 - following.eps)
            following.weight.fill_(1)
            following.bias.copy_(shift)


def _convolutions(nodes: Iterable[onnx.NodeProto]) -> list[onnx.NodeProto]:
    return [node for node in nodes if node.op_type == "Conv"]


def _folded(model: onnx.ModelProto, *, in_depth: bool = False) -> list[list[Any]]:
    """Weight and bias of each convolution; None for what is computed."""
    values = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    nodes = _in_depth(model) if in_depth else _convolutions(model.graph.node)
    return [[values.get(name) for name in node.input[1:]] for node in nodes]


def _fitting(folded: list[list[Any]], layers: list[Any]) -> list[list[Any]] | None:
    """What was given, if the layers can take it."""
    fits = len(folded) == len(layers) and all(
        given[0] is not None and given[0].shape == tuple(layer.weight.shape)
        for given, layer in zip(folded, layers, strict=True)
    )
    return folded if fits else None


def _in_depth(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The convolutions, each after those that it needs, from the outputs inwards: sorting changes nothing."""
    makers = {name: node for node in model.graph.node for name in node.output}
    found: list[onnx.NodeProto] = []
    done: set[int] = set()
    waiting = [(output.name, False) for output in reversed(model.graph.output)]
    while waiting:
        name, ready = waiting.pop()
        node = makers.get(name)
        if node is None or id(node) in done:
            continue
        if ready:
            done.add(id(node))
            found.append(node)
        else:
            waiting += [(name, True), *((needed, False) for needed in reversed(node.input))]
    return _convolutions(found)


def _own_graph(network: Any) -> onnx.ModelProto:
    """The network as PyTorch exports it, whose convolutions stand in the order in which they run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.onnx"
        network.head.export = True
        try:
            from_torch.convert(network, path, (64, 64), graphs.OPSET, static=True)
        finally:
            network.head.export = False
        return graphs.load(path)


def _undo_folding(network: Any, normalised: dict[Any, Any], tensors: Sequence[Any]) -> None:
    """Give batch normalisation the statistics of real pictures; the outputs stay."""
    sums: dict[Any, Any] = {
        layer: torch.zeros(3, len(layer.weight), dtype=torch.float64) for layer in normalised
    }

    def see(layer: Any, output: Any) -> None:
        if layer in sums:
            values = output.double()
            ones = torch.full((values.shape[1],), values.numel() / values.shape[1], dtype=torch.float64)
            sums[layer] += torch.stack([ones, values.sum((0, 2, 3)), (values**2).sum((0, 2, 3))])

    with _watched(network, see):
        for tensor in tensors:
            network(tensor)
    for layer, following in normalised.items():
        count, total, squares = sums[layer]
        mean = total / count
        variance = (squares / count - mean**2).clamp(min=0.0)
        following.running_mean.copy_(mean)
        following.running_var.copy_(variance)
        following.weight.copy_((variance + following.eps).sqrt())
        following.bias += mean.float()


def _compare(network: Any, original: Any, tensor: Any, path: Path) -> None:
    """Check that a network still computes what its file does, whose boxes may be decoded or not."""
    expected = original(tensor.numpy())[0]
    maps = network(tensor)
    raw = torch.cat([one.flatten(2) for one in maps], 2).permute(0, 2, 1)
    network.head.export = True
    try:
        decoded = network(tensor)
    finally:
        network.head.export = False
    largest = float(np.abs(expected).max())
    differences = [float(np.abs(expected - one.numpy()).max()) / largest for one in (raw, decoded)]
    if not min(differences) <= _TOLERANCE:
        raise ModelError(
            f"--weights {path}: its layers fit, but the outputs differ by {min(differences):.1e} of the "
            f"largest ({_TOLERANCE:.0e} allowed): another way of connecting them"
        )
