"""Measures one model: time, arithmetic, memory, and, with TensorFlow's profiler, where the time goes."""

import collections
import glob
import os
import re
import resource
import statistics
import tempfile
import time
from collections.abc import Iterable
from typing import Any, Callable, Optional

import tensorflow as tf
from absl import flags as absl_flags
from tensorflow.python.framework.func_graph import FuncGraph
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from tf_scenes import config, flagfiles
from tf_scenes.app.build import build_model
from tf_scenes.data.datasets import load_dataset

_MATRIX = 4096
_PROFILED_STEPS = 3
# Calls of functions within a graph: a training step is traced as one.
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
# What operations belong to, by the prefixes of their names; operations with none of these prefixes are "other".
_KINDS = {
    "convolutions": ("Conv2D", "_MklNativeConv2D", "_MklNativeFusedConv2D"),
    "matrix products": ("MatMul", "BatchMatMul", "_MklMatMul", "_MklNativeMatMul", "_MklBatchMatMul", "_FusedMatMul"),
    "normalisation": ("FusedBatchNorm", "_MklNativeFusedBatchNorm", "_FusedBatchNorm"),
    "activations": ("LeakyRelu", "Relu", "Sigmoid", "Softplus", "Softmax", "_UnaryOpsComposition"),
    "Fourier transforms": ("RFFT", "IRFFT"),
    "resampling": ("Addons>Resampler", "ImageProjectiveTransform", "ResizeBilinear", "GatherV2", "GatherNd"),
    "random numbers": ("Stateless",),
    "reading and updating weights": ("ReadVariableOp", "Assign", "Resource"),
}


def measure(flags: list[str], repeats: int) -> dict[str, Any]:
    """Measures the model that flags of `main.py` describe.

    Args:
        flags: Flags as on the command line.
        repeats: Number of timed calls.

    Returns:
        Measurements by name: `batch`; `step_seconds` and `inferred_per_second`, medians; `step_operations`,
        multiplications and additions in the convolutions and matrix products of a step; `step_rate` and
        `matrix_product_rate`, GFLOP/s; `peak_memory` of the process in training, bytes; `first_step_seconds`, from the
        start of building the model; and `parts` and `kinds`, shares of the time of a step's operations by their place
        in the model and by what they do.
    """
    config.define_flags()
    absl_flags.FLAGS(flagfiles.expand(["speed", *flags]))
    settings = config.config_from_flags()
    rates = [_matrix_product_rate()]
    start = time.perf_counter()
    dataset = load_dataset(settings.data, settings.job.seed)
    model = build_model(settings, dataset.image_shape)
    batch = next(iter(dataset.training_batches(settings.training.batch_size, settings.job.seed)))
    step = tf.function(model.train_step)
    step(batch)
    first_step_seconds = time.perf_counter() - start
    # After all warm-ups, as most steps are.
    model.optimizer.iterations.assign(settings.training.train_steps)
    step_seconds = _seconds(lambda: step(batch), repeats)
    peak_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    size = int(batch["images"].shape[0])
    operations = float_operations(step.get_concrete_function(batch).graph, size * model.max_objects)
    encode = tf.function(model.encode)
    inference_seconds = _seconds(lambda: encode(batch["images"]), repeats)
    parts, kinds = _profile(lambda: step(batch))
    rates.append(_matrix_product_rate())
    return {
        "batch": size,
        "step_seconds": step_seconds,
        "step_operations": operations,
        "step_rate": operations / step_seconds / 1e9,
        "matrix_product_rate": statistics.mean(rates),
        "inferred_per_second": size / inference_seconds,
        "peak_memory": peak_memory,
        "first_step_seconds": first_step_seconds,
        "parts": parts,
        "kinds": kinds,
    }


def _matrix_product_rate() -> float:
    """The rate of a large matrix product in float32, GFLOP/s."""
    matrix = tf.random.stateless_normal([_MATRIX, _MATRIX], [0, 4])
    product = tf.function(lambda: tf.reduce_sum(matrix @ matrix))
    return 2 * _MATRIX**3 / _seconds(product, 3) / 1e9


def _seconds(function: Callable[[], Any], repeats: int) -> float:
    """The median time of several calls, after one that is not timed."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        tf.nest.map_structure(lambda tensor: tensor.numpy(), function())
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def float_operations(graph: FuncGraph, objects: int = 0, outputs: Optional[Iterable[tf.Tensor]] = None) -> int:
    """Multiplications and additions of a graph's convolutions and matrix products, including those of gradients.

    Args:
        graph: Graph with static shapes, but for the number of objects in a batch that are inferred and drawn; functions
            that it calls are counted each time that they are called.
        objects: Size of the dimensions that are not static.
        outputs: Those of the graph's outputs that are used; all by default. What no used output and no change of a
            variable depends on is not counted, since TensorFlow leaves it out.
    """
    total = 0
    for operation, used in _used(graph.outputs if outputs is None else outputs, graph.control_outputs).items():
        if operation.type in _CALLS:
            called = graph._get_function(operation.get_attr("f").name).graph
            total += float_operations(called, objects, [called.outputs[index] for index in used])
        else:
            total += _operations(operation, objects)
    return total


def _used(tensors: Iterable[tf.Tensor], operations: Iterable[tf.Operation]) -> dict[tf.Operation, set[int]]:
    """All operations that tensors and operations depend on, each with the indices of its outputs that are used."""
    found: dict[tf.Operation, set[int]] = {}
    pending = [*((tensor.op, tensor.value_index) for tensor in tensors), *((each, None) for each in operations)]
    while pending:
        operation, index = pending.pop()
        if operation not in found:
            found[operation] = set()
            pending += [(tensor.op, tensor.value_index) for tensor in operation.inputs]
            pending += [(each, None) for each in operation.control_inputs]
        if index is not None:
            found[operation].add(index)
    return found


def _operations(operation: tf.Operation, objects: int) -> int:
    """Multiplications and additions of one operation, 0 if it is neither a convolution nor a matrix product."""
    inputs, outputs = (
        [
            tensor.shape and tf.TensorShape([objects if size is None else size for size in tensor.shape])
            for tensor in tensors
        ]
        for tensors in (operation.inputs, operation.outputs)
    )
    if operation.type in ("MatMul", "BatchMatMulV2"):
        transposed = operation.get_attr("transpose_a" if operation.type == "MatMul" else "adj_x")
        return 2 * outputs[0].num_elements() * inputs[0][-2 if transposed else -1]
    if operation.type == "Conv2D":
        return 2 * outputs[0].num_elements() * inputs[1][:3].num_elements()
    if operation.type == "Conv2DBackpropInput":
        return 2 * inputs[2].num_elements() * inputs[1][:3].num_elements()
    if operation.type == "Conv2DBackpropFilter":
        return 2 * inputs[2].num_elements() * outputs[0][:3].num_elements()
    return 0


def _profile(step: Callable[[], Any]) -> tuple[dict[str, float], dict[str, float]]:
    """Shares of the total time of a step's operations, the largest first: by name scope, and by kind."""
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for _ in range(_PROFILED_STEPS):
                step()
        (path,) = glob.glob(os.path.join(folder, "plugins", "profile", "*", "*.xplane.pb"))
        with open(path, "rb") as file:
            space = xplane_pb2.XSpace.FromString(file.read())
    parts, kinds = collections.Counter(), collections.Counter()
    for plane in space.planes:
        for line in plane.lines:
            # The threads that run operations; the others wait for them.
            if not line.name.startswith("tf_Compute"):
                continue
            for event in line.events:
                name, colon, kind = plane.event_metadata[event.metadata_id].name.rpartition(":")
                if not colon or name.endswith(":"):
                    continue  # An event of the executor, which contains those of operations: they would count twice.
                parts[_part(name)] += event.duration_ps
                kinds[_kind(kind)] += event.duration_ps
    return _shares(parts), _shares(kinds)


def _part(name: str) -> str:
    scopes = [re.sub(r"_\d+$", "", scope) for scope in name.split("/")]
    scopes = [scope for scope in scopes if scope not in ("gradient_tape", *_CALLS)]
    if any("adam" in scope.lower() for scope in scopes[:1]):
        return "optimisers"
    if len(scopes) <= 1 or scopes[0] in ("ArithmeticOptimizer", "ConstantFolding"):  # Added by Grappler.
        return "other"
    return scopes[0].replace("_", " ")


def _kind(operation: str) -> str:
    for kind, beginnings in _KINDS.items():
        if operation.startswith(beginnings):
            return kind
    return "other"


def _shares(times: collections.Counter) -> dict[str, float]:
    return {name: time / sum(times.values()) for name, time in times.most_common()}
