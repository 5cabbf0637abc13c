"""SavedModels by TensorFlow's C API, whose loader is the one that TensorFlow Serving uses."""

import ctypes
import glob
import importlib.util
import os
from collections.abc import Mapping

import numpy as np
from tensorflow.core.protobuf import meta_graph_pb2

# TF_DataType.
_TYPES = {1: np.float32, 3: np.int32, 4: np.uint8, 9: np.int64}
_NUMBERS = {np.dtype(value): number for number, value in _TYPES.items()}


class _Buffer(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("length", ctypes.c_size_t), ("deallocator", ctypes.c_void_p))


class _Output(ctypes.Structure):
    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class CSession:
    """A SavedModel, loaded by `TF_LoadSessionFromSavedModel`."""

    def __init__(self, folder: str):
        """Loads it; `folder` is that of one version."""
        self._library = library = _library()
        self._status, self._graph = library.TF_NewStatus(), library.TF_NewGraph()
        meta_graph = _Buffer()
        self._session = library.TF_LoadSessionFromSavedModel(
            library.TF_NewSessionOptions(),
            None,
            folder.encode(),
            (ctypes.c_char_p * 1)(b"serve"),
            1,
            self._graph,
            ctypes.byref(meta_graph),
            self._status,
        )
        self._check()
        definition = meta_graph_pb2.MetaGraphDef.FromString(ctypes.string_at(meta_graph.data, meta_graph.length))
        self._signatures = definition.signature_def

    def run(self, inputs: Mapping[str, np.ndarray], signature: str = "serving_default") -> dict[str, np.ndarray]:
        """A signature's outputs; an error of the graph's is a `RuntimeError` with its message."""
        library, called = self._library, self._signatures[signature]
        names = list(called.outputs)
        fed = [self._output(called.inputs[name].name) for name in inputs]
        fetched = [self._output(called.outputs[name].name) for name in names]
        values = (ctypes.c_void_p * len(fed))(*(self._tensor(value) for value in inputs.values()))
        results = (ctypes.c_void_p * len(fetched))()
        library.TF_SessionRun(
            self._session,
            None,
            (_Output * len(fed))(*fed),
            values,
            len(fed),
            (_Output * len(fetched))(*fetched),
            results,
            len(fetched),
            None,
            0,
            None,
            self._status,
        )
        self._check()
        return {name: self._array(result) for name, result in zip(names, results)}

    def _output(self, name: str) -> _Output:
        operation, index = name.split(":")
        found = self._library.TF_GraphOperationByName(self._graph, operation.encode())
        assert found, name
        return _Output(found, int(index))

    def _tensor(self, value: np.ndarray) -> int:
        value = np.ascontiguousarray(value)
        shape = (ctypes.c_int64 * value.ndim)(*value.shape)
        tensor = self._library.TF_AllocateTensor(_NUMBERS[value.dtype], shape, value.ndim, value.nbytes)
        ctypes.memmove(self._library.TF_TensorData(tensor), value.ctypes.data, value.nbytes)
        return tensor

    def _array(self, tensor: int) -> np.ndarray:
        library = self._library
        shape = [library.TF_Dim(tensor, axis) for axis in range(library.TF_NumDims(tensor))]
        data = ctypes.string_at(library.TF_TensorData(tensor), library.TF_TensorByteSize(tensor))
        return np.frombuffer(data, _TYPES[library.TF_TensorType(tensor)]).reshape(shape)

    def _check(self) -> None:
        if self._library.TF_GetCode(self._status):
            raise RuntimeError(self._library.TF_Message(self._status).decode())


def _library() -> ctypes.CDLL:
    folder = importlib.util.find_spec("tensorflow").submodule_search_locations[0]
    library = ctypes.CDLL(glob.glob(os.path.join(folder, "libtensorflow_cc.so.*"))[0])
    pointer = ctypes.c_void_p
    for name, result, arguments in (
        ("TF_NewStatus", pointer, []),
        ("TF_GetCode", ctypes.c_int, [pointer]),
        ("TF_Message", ctypes.c_char_p, [pointer]),
        ("TF_NewGraph", pointer, []),
        ("TF_NewSessionOptions", pointer, []),
        ("TF_LoadSessionFromSavedModel", pointer, [pointer] * 4 + [ctypes.c_int] + [pointer] * 3),
        ("TF_GraphOperationByName", pointer, [pointer, ctypes.c_char_p]),
        ("TF_AllocateTensor", pointer, [ctypes.c_int, pointer, ctypes.c_int, ctypes.c_size_t]),
        ("TF_TensorData", pointer, [pointer]),
        ("TF_TensorByteSize", ctypes.c_size_t, [pointer]),
        ("TF_TensorType", ctypes.c_int, [pointer]),
        ("TF_NumDims", ctypes.c_int, [pointer]),
        ("TF_Dim", ctypes.c_int64, [pointer, ctypes.c_int]),
        ("TF_SessionRun", None, [pointer] * 4 + [ctypes.c_int] + [pointer] * 2 + [ctypes.c_int, pointer, ctypes.c_int]
         + [pointer] * 2),
    ):  # fmt: skip
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
