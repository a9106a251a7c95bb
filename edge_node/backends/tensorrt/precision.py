"""Which precision an engine gets: by the builder's flags up to TensorRT 10, by the model itself since 11."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from edge_node.config.model_settings import Precision
from shared.errors import ModelError


def set_precision(
    trt: Any,
    config: Any,
    network: Any,
    wanted: Precision,
    *,
    weak: bool,
    calibrated: bool,
    model: Path,
) -> str:
    """Set the builder's flags, and return the precision that the engine will have.

    Args:
        trt: The module.
        config: The builder's configuration.
        network: The parsed network.
        wanted: The precision that the user wants.
        weak: Whether this version has flags for precisions.
        calibrated: Whether a calibrator measures ranges for INT8.
        model: Named in errors.

    Raises:
        ModelError: This model cannot be built in the wanted precision.
    """
    kinds = {network.get_layer(index).type for index in range(network.num_layers)}
    quantized = trt.LayerType.QUANTIZE in kinds or trt.LayerType.DEQUANTIZE in kinds
    own = "int8" if quantized else "fp16" if _has_half(trt, network) else "fp32"
    if not weak:
        if wanted not in ("auto", own):
            raise _other_than_model(trt, model, own, wanted)
        return own
    if wanted == "auto" and calibrated:
        wanted = "int8"
    if wanted == "int8" and not quantized and not calibrated:
        refuse_int8(trt, model, weak=True)
    if quantized and wanted not in ("auto", "int8"):
        raise ModelError(f"model {model}: is quantized; build it as int8, or take the model it was made from")
    if wanted == "int8" or quantized:
        config.set_flag(trt.BuilderFlag.INT8)
    if wanted != "fp32":
        config.set_flag(trt.BuilderFlag.FP16)
    if wanted == "auto":
        return "int8" if quantized else "fp16"
    return wanted


def refuse_int8(trt: Any, model: Path, *, weak: bool) -> NoReturn:
    """Refuse to build a model that is not quantized in INT8, without a calibrator.

    Raises:
        ModelError: Always.
    """
    if not weak:
        raise _other_than_model(trt, model, "not quantized", "int8")
    raise ModelError(
        f"model {model}: INT8 needs a quantized model (darner-optimize quantize), or an engine that "
        "darner-optimize build --calibrate DIR makes"
    )


def _other_than_model(trt: Any, model: Path, own: str, wanted: str) -> ModelError:
    if wanted == "fp32" or own == "int8":  # no command makes a model more precise
        cure = "take the model that it was made from, or leave the precision at auto"
    else:
        convert = "quantize --for tensorrt --images DIR" if wanted == "int8" else "fp16"
        cure = f"make an {wanted} model of it first: darner-optimize {convert} --model {model}"
    return ModelError(
        f"model {model}: is {own}, and TensorRT {trt.__version__} takes precisions from the model; {cure}"
    )


def _has_half(trt: Any, network: Any) -> bool:
    """Whether convolutions or products are in half precision; half weights alone only save space."""
    work = (trt.LayerType.CONVOLUTION, trt.LayerType.MATRIX_MULTIPLY)
    layers = (network.get_layer(index) for index in range(network.num_layers))
    return any(layer.type in work and layer.get_output(0).dtype == trt.DataType.HALF for layer in layers)
