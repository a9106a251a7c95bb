"""Reads and writes ONNX files without the onnx package, which is larger than the rest of an edge node.

Only the fields that `fold.py` and `detect/decode/compiled.py` need have names here; protobuf keeps all others
unchanged. The field numbers are those of `onnx.proto` of the ONNX project.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_ONE, _MANY = (
    descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
    descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED,
)
_KINDS = {
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "float": descriptor_pb2.FieldDescriptorProto.TYPE_FLOAT,
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
}
# message: field: (number, kind, repeated). Strings are bytes here, because names in a file may be any bytes.
_FIELDS: dict[str, dict[str, tuple[int, str, bool]]] = {
    "Model": {
        "ir_version": (1, "int64", False),
        "graph": (7, "Graph", False),
        "opset_import": (8, "OperatorSet", True),
    },
    "OperatorSet": {"version": (2, "int64", False)},
    "Graph": {
        "node": (1, "Node", True),
        "name": (2, "bytes", False),
        "initializer": (5, "Tensor", True),
        "input": (11, "Value", True),
        "output": (12, "Value", True),
    },
    "Node": {
        "input": (1, "bytes", True),
        "output": (2, "bytes", True),
        "op_type": (4, "bytes", False),
        "attribute": (5, "Attribute", True),
        "domain": (7, "bytes", False),
    },
    "Attribute": {
        "name": (1, "bytes", False),
        "i": (3, "int64", False),
        "s": (4, "bytes", False),
        "t": (5, "Tensor", False),
        "g": (6, "bytes", False),
        "ints": (8, "int64", True),
        "graphs": (11, "bytes", True),
        "type": (20, "int64", False),
    },
    "Tensor": {
        "dims": (1, "int64", True),
        "data_type": (2, "int64", False),
        "float_data": (4, "float", True),
        "int32_data": (5, "int32", True),
        "name": (8, "bytes", False),
        "raw_data": (9, "bytes", False),
        "int64_data": (7, "int64", True),
        "data_location": (14, "int64", False),
    },
    "Value": {"name": (1, "bytes", False), "type": (2, "Type", False)},
    "Type": {"tensor_type": (1, "TensorType", False)},
    "TensorType": {"elem_type": (1, "int64", False), "shape": (2, "Shape", False)},
    "Shape": {"dim": (1, "Dimension", True)},
    "Dimension": {"dim_value": (1, "int64", False), "dim_param": (2, "bytes", False)},
}
_TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 10: np.float16}
FLOAT, UINT8, INT64 = 1, 2, 7


def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="darner_onnx.proto", package="darner_onnx", syntax="proto2"
    )
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, (number, kind, repeated) in fields.items():
            added = message.field.add(name=field, number=number, label=_MANY if repeated else _ONE)
            if kind in _KINDS:
                added.type = _KINDS[kind]
            else:
                added.type = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
                added.type_name = f".darner_onnx.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"darner_onnx.{name}"))
        for name in _FIELDS
    }


_MESSAGES = _messages()
Model = _MESSAGES["Model"]
Node = _MESSAGES["Node"]
Tensor = _MESSAGES["Tensor"]


def read_model(path: Path) -> Any:
    """The model in a file.

    Raises:
        ValueError: The file is no protobuf.
    """
    from google.protobuf.message import DecodeError

    try:
        return Model.FromString(path.read_bytes())
    except DecodeError as error:
        raise ValueError(str(error)) from None


def values(tensor: Any) -> npt.NDArray[np.generic] | None:
    """A constant's values; None if they lie in another file or have a type that `fold.py` does not need."""
    kind = _TYPES.get(tensor.data_type)
    if kind is None or tensor.data_location:
        return None
    if tensor.raw_data:
        flat: npt.NDArray[np.generic] = np.frombuffer(tensor.raw_data, kind)
    elif tensor.float_data:
        flat = np.array(tensor.float_data, kind)
    elif tensor.int32_data and kind is not np.float16:  # float16 keeps its bits in this field
        flat = np.array(tensor.int32_data, kind)
    elif tensor.int64_data:
        flat = np.array(tensor.int64_data, kind)
    else:
        return None
    shape = tuple(tensor.dims)
    return flat.reshape(shape) if flat.size == np.prod(shape, dtype=int) else None


def constant(name: bytes, array: npt.NDArray[Any]) -> Any:
    """A tensor for the graph's constants, of a type in `_TYPES`."""
    kind = next(number for number, dtype in _TYPES.items() if array.dtype == dtype)
    return Tensor(name=name, dims=array.shape, data_type=kind, raw_data=np.ascontiguousarray(array).tobytes())
