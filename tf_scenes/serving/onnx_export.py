"""Exported models as ONNX files, which runtimes without TensorFlow take, those of browsers among them."""

import contextlib
import importlib.util
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Optional

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from tf_scenes.errors import UserError, first_line
from tf_scenes.files import write_whole
from tf_scenes.serving.signatures import Signatures
from tf_scenes.serving.versions import PARTS

if TYPE_CHECKING:  # The packages are optional: only conversions need them.
    import onnx

# In a version's folder: where its ONNX files are.
FOLDER = "onnx"
# Those that are converted, where a model has them. A caller without TensorFlow can make what the others take itself.
CONVERTED = {"encoder": ("serving_default", "segmented"), "decoder": ("resized", "sampled")}
_PACKAGES = ("onnx", "tf2onnx")
_INSTALL = "the packages tf2onnx and onnx (Python 3.10 or newer, pip install 'tf_scenes[onnx]')"


def require_packages(wanted: str) -> None:
    """Checks that models can be converted.

    Args:
        wanted: What needs it, for the message.

    Raises:
        UserError: If a package is missing.
    """
    if not all(importlib.util.find_spec(name) for name in _PACKAGES):
        raise UserError(f"{wanted} needs {_INSTALL}")


def write_all(signatures: Mapping[str, Signatures], folder: str) -> list[str]:
    """Writes `encoder/*.onnx` and `decoder/*.onnx` of an exported model.

    Args:
        signatures: Signatures of each part of the model, `encoder` and `decoder`, as they are loaded.
        folder: Folder to write to; it is made if there is none.

    Returns:
        Paths of the files.

    Raises:
        UserError: If a package is missing, or the model has an operation that ONNX lacks.
    """
    return [path for part in PARTS for path in write(signatures[part], part, os.path.join(folder, part))]


def write(signatures: Signatures, part: str, folder: str, names: Optional[Sequence[str]] = None) -> list[str]:
    """Writes files `<signature>.onnx` for signatures of an encoder or a decoder.

    Args:
        signatures: Signatures of the part, as they are loaded.
        part: `encoder` or `decoder`.
        folder: Folder to write to; it is made if there is none.
        names: Names of the signatures, of which those are left out that the part does not have; None for all that are
            in `CONVERTED`.

    Returns:
        Paths of the files.

    Raises:
        UserError: If a package is missing, or a signature has an operation that ONNX lacks.
    """
    paths = []
    for name in CONVERTED[part] if names is None else names:
        if name in signatures:
            contents = converted(signatures[name], f"{part}/{name}").SerializeToString()
            paths.append(os.path.join(folder, f"{name}.onnx"))
            write_whole(paths[-1], lambda file, contents=contents: file.write(contents))
    return paths


def converted(signature: tf.types.experimental.ConcreteFunction, name: str) -> "onnx.ModelProto":
    """A signature in ONNX, with inputs and outputs of the same names, types and shapes.

    Its weights are part of it. Assertions are left out, since ONNX has none: an input that the signature refuses gives
    any answer. Random numbers are the runtime's, whatever the seed; it still gives the number of scenes.

    Args:
        signature: A function of named tensors that returns a dictionary; what it was loaded from must still exist.
        name: Its name, for messages.

    Raises:
        UserError: If a package is missing, or the signature has an operation that ONNX lacks.
    """
    require_packages("a conversion to ONNX")
    import onnx
    from tf2onnx import optimizer, tf_loader, tfonnx

    # This also registers them.
    from tf_scenes.serving.onnx_operations import OPSET, missing_operations

    # tf2onnx logs as errors also what it cannot convert and does not need.
    with _silent("tf2onnx"), tf.device("/cpu:0"):
        try:
            graph, inputs, outputs = _frozen(signature)
            with tf.Graph().as_default():
                graph = tf_loader.tf_optimize([*inputs], [*outputs], graph)
            with tf.Graph().as_default() as optimised:
                tf.import_graph_def(graph, name="")
                nodes = tfonnx.process_tf_graph(
                    optimised,
                    opset=OPSET,
                    input_names=[*inputs],
                    output_names=[*outputs],
                    tensors_to_rename={**inputs, **outputs},
                )
                # To go on after errors, it would copy the graph before each optimisation, which takes most of the time.
                model = optimizer.optimize_graph(nodes, catch_errors=False).make_model("tf_scenes")
        except Exception as error:  # On what it does not expect, tf2onnx fails in any way.
            reason = first_line(error)
            raise UserError(f"{name} cannot be converted to ONNX: {reason}") from error
    missing = missing_operations(model.graph)
    if missing:
        raise UserError(f"{name} cannot be converted to ONNX, which lacks operations of it: {', '.join(missing)}")
    onnx.checker.check_model(model)
    return model


def _frozen(
    signature: tf.types.experimental.ConcreteFunction,
) -> tuple[tf.compat.v1.GraphDef, dict[str, str], dict[str, str]]:
    """A signature's graph with weights as constants, and its inputs' and outputs' names by those in the graph.

    Without control dependencies: in a graph without variables only assertions are behind them.

    Raises:
        UserError: If it computes in bfloat16.
    """
    frozen = convert_variables_to_constants_v2(signature, lower_control_flow=False)
    inputs = {tensor.name: tensor.op.name for tensor in frozen.inputs}
    outputs = {tensor.name: name for tensor, name in zip(frozen.outputs, sorted(signature.structured_outputs))}
    graph = frozen.graph.as_graph_def()
    if any(each.type == tf.bfloat16.as_datatype_enum for node in graph.node for each in node.attr.values()):
        raise UserError("it computes in bfloat16, which runtimes lack")
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        for node in nodes:
            tensors = [name for name in node.input if not name.startswith("^")]
            del node.input[:]
            node.input.extend(tensors)
    return _part_of(graph, [name.split(":")[0] for name in (*inputs, *outputs)]), inputs, outputs


def _part_of(graph: tf.compat.v1.GraphDef, wanted: Sequence[str]) -> tf.compat.v1.GraphDef:
    """What is needed of a graph to compute some nodes."""
    sources = {node.name: [name.split(":")[0] for name in node.input] for node in graph.node}
    waiting, needed = list(wanted), set()
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += sources[name]
    part = tf.compat.v1.GraphDef(library=graph.library, versions=graph.versions)
    part.node.extend(node for node in graph.node if node.name in needed)
    return part


@contextlib.contextmanager
def _silent(package: str) -> Iterator[None]:
    """Keeps a package from logging."""
    logger: Any = logging.getLogger(package)
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
