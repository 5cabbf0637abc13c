"""ONNX for the TensorFlow operations of our models that tf2onnx leaves out, or gets wrong; importing it registers it.

Each class says what one or more operations become, in terms of tf2onnx's graphs.
"""

from typing import Any, Union

import numpy as np
from onnx import GraphProto, TensorProto, defs
from tf2onnx import utils
from tf2onnx.graph import Graph, Node
from tf2onnx.handler import tf_op

from tf_scenes.errors import UserError

# The first version of ONNX's operations with reductions while scattering, maxima and minima among them.
OPSET = 18

_EVERYTHING = np.iinfo(np.int64).max


class _Nodes:
    """Makes nodes of a graph. All arguments and results are names of tensors, arrays among the arguments constants."""

    def __init__(self, graph: Graph):
        self._graph = graph

    def __call__(self, operation: str, *inputs: Union[str, np.ndarray], **attributes: Any) -> str:
        names = [self.constant(each) if isinstance(each, np.ndarray) else each for each in inputs]
        return self._graph.make_node(operation, names, attr=attributes).output[0]

    def constant(self, value: np.ndarray) -> str:
        return self._graph.make_const(utils.make_name("constant"), value).output[0]

    def int64(self, name: str) -> str:
        return self("Cast", name, to=TensorProto.INT64)

    def float32(self, name: str) -> str:
        return self("Cast", name, to=TensorProto.FLOAT)

    def flat(self, name: str) -> str:
        return self("Reshape", name, _integers(-1))

    def unsqueezed(self, name: str, *axes: int) -> str:
        return self("Unsqueeze", name, _integers(*axes))

    def where(self, condition: str, first: str, second: str) -> str:
        """The first where a condition holds, else the second; runtimes have no such choice between truth values."""
        dtype = self._graph.get_dtype(first)
        if dtype != TensorProto.BOOL:
            return self("Where", condition, first, second)
        first, second = (self("Cast", each, to=TensorProto.INT32) for each in (first, second))
        return self("Cast", self("Where", condition, first, second), to=dtype)

    def part(self, name: str, start: int, end: int = _EVERYTHING) -> str:
        """A slice along the first axis."""
        return self("Slice", name, _integers(start), _integers(end), _integers(0))

    def element(self, name: str, index: int) -> str:
        """An element of a vector, a scalar."""
        return self("Gather", name, np.array(index, np.int64), axis=0)

    def numbers(self, count: str) -> str:
        """0, 1, 2 and so on, int64 `[count]`."""
        return self("Range", np.array(0, np.int64), count, np.array(1, np.int64))

    def replace(self, node: Node, result: str) -> None:
        """Puts a tensor in the place of a node's only output."""
        self._graph.replace_all_inputs(node.output[0], result)
        self._graph.remove_node(node.name)

    def like(self, name: str, value: float) -> np.ndarray:
        """A scalar of the type of a tensor."""
        return np.array(value, utils.map_onnx_to_numpy_type(self._graph.get_dtype(name)))

    def rank(self, node: Node, index: int) -> int:
        rank = self._graph.get_rank(node.input[index])
        if rank is None:
            raise UserError(f"the rank of what {node.type} takes is not known")
        return rank


def _integers(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@tf_op(["UnsortedSegmentSum", "UnsortedSegmentMax", "UnsortedSegmentMin"])
class _UnsortedSegments:
    """Scatters into rows that begin with the neutral element; tf2onnx takes segments of rank 1 and known number only.

    What belongs to a negative segment goes to a further row, which is cut off.
    """

    @classmethod
    def version_18(cls, graph: Graph, node: Node, **_: Any) -> None:
        make = _Nodes(graph)
        data, segments, number = node.input
        reduction = {"UnsortedSegmentSum": "add", "UnsortedSegmentMax": "max", "UnsortedSegmentMin": "min"}[node.type]
        number = make("Reshape", make.int64(number), _integers(1))
        segments_rank, segments = make.rank(node, 1), make.flat(make.int64(segments))
        segments = make("Where", make("Less", segments, _integers(0)), number, segments)
        of_one = make.part(make("Shape", data), segments_rank)
        data_rows = make("Reshape", data, make("Concat", _integers(-1), of_one, axis=0))
        rows = make("Concat", make("Add", number, _integers(1)), of_one, axis=0)
        empty = make("Expand", make.like(data, cls._neutral(make, data, reduction)), rows)
        totals = make("ScatterND", empty, make.unsqueezed(segments, -1), data_rows, reduction=reduction)
        make.replace(node, make("Slice", totals, _integers(0), number, _integers(0)))

    @staticmethod
    def _neutral(make: _Nodes, data: str, reduction: str) -> float:
        if reduction == "add":
            return 0
        dtype = make.like(data, 0).dtype
        limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
        return limits.min if reduction == "max" else limits.max


@tf_op("OneHot")
class _OneHot:
    """Compares with 0, 1, 2 and so on; tf2onnx takes int64 of rank 1 only."""

    @classmethod
    def version_18(cls, graph: Graph, node: Node, **_: Any) -> None:
        make = _Nodes(graph)
        indices, depth, on_value, off_value = node.input
        rank, axis = make.rank(node, 0), node.get_attr_value("axis", -1)
        axis = axis if axis >= 0 else rank
        numbers = make.numbers(make("Squeeze", make.int64(depth)))
        if axis < rank:
            numbers = make.unsqueezed(numbers, *range(1, rank - axis + 1))
        found = make("Equal", make.unsqueezed(make.int64(indices), axis), numbers)
        make.replace(node, make.where(found, on_value, off_value))


@tf_op("ArgMax")
class _ArgMax:
    """The first of the largest values, of truth values too, which ONNX has no order of."""

    @classmethod
    def version_18(cls, graph: Graph, node: Node, **_: Any) -> None:
        make, values = _Nodes(graph), node.input[0]
        if graph.get_dtype(values) == TensorProto.BOOL:
            values = make("Cast", values, to=TensorProto.INT32)
        found = make("ArgMax", values, axis=int(node.inputs[1].get_tensor_value()), keepdims=0)
        make.replace(node, make("Cast", found, to=graph.get_dtype(node.output[0])))


@tf_op("MatrixDiagV3")
class _MatrixDiagonal:
    """Square matrices with a vector as their main diagonal; tf2onnx's conversion, of any diagonals, takes minutes."""

    @classmethod
    def version_18(cls, graph: Graph, node: Node, **_: Any) -> None:
        which, rows, columns = (each.get_tensor_value(as_list=False).tolist() for each in node.inputs[1:4])
        if (which, rows, columns) != (0, -1, -1):
            raise UserError("of matrices with diagonals only square ones with the main diagonal can be")
        make = _Nodes(graph)
        diagonal, padding = node.input[0], node.input[4]
        numbers = make.numbers(make.element(make.part(make("Shape", diagonal), -1), 0))
        found = make("Equal", make.unsqueezed(numbers, 1), numbers)
        make.replace(node, make.where(found, make.unsqueezed(diagonal, -1), padding))


@tf_op(["FloorDiv", "FloorMod"])
class _FloorDivision:
    """Quotients that are rounded down, and the remainders; tf2onnx rounds those of integers towards 0."""

    @classmethod
    def version_18(cls, graph: Graph, node: Node, **_: Any) -> None:
        make, (dividend, divisor) = _Nodes(graph), node.input
        if make.like(dividend, 0).dtype.kind == "f":
            quotient = make("Floor", make("Div", dividend, divisor))
            remainder = make("Sub", dividend, make("Mul", quotient, divisor))
        else:
            remainder = make("Mod", dividend, divisor)  # With the sign of the divisor.
            quotient = make("Div", make("Sub", dividend, remainder), divisor)
        make.replace(node, quotient if node.type == "FloorDiv" else remainder)


@tf_op("MulNoNan")
class _MulNoNan:
    """x y, but 0 where y is 0, whatever x is."""

    @classmethod
    def version_18(cls, graph: Graph, node: Node, **_: Any) -> None:
        make = _Nodes(graph)
        zero = make.like(node.input[1], 0)
        make.replace(node, make("Where", make("Equal", node.input[1], zero), zero, make("Mul", *node.input)))


@tf_op("Log1p")
class _Log1p:
    """log(x + 1): near 0 it has the absolute, not the relative precision of TensorFlow's."""

    @classmethod
    def version_18(cls, graph: Graph, node: Node, **_: Any) -> None:
        make = _Nodes(graph)
        make.replace(node, make("Log", make("Add", node.input[0], make.like(node.input[0], 1))))


@tf_op("Expm1")
class _Expm1:
    """exp(x) - 1: near 0 it has the absolute, not the relative precision of TensorFlow's."""

    @classmethod
    def version_18(cls, graph: Graph, node: Node, **_: Any) -> None:
        make = _Nodes(graph)
        make.replace(node, make("Sub", make("Exp", node.input[0]), make.like(node.input[0], 1)))


@tf_op("ScaleAndTranslate")
class _ScaleAndTranslate:
    """Resizing with a triangular kernel (bilinear, widened for antialiasing), as products with a matrix for each axis.

    A matrix is made from the sizes as TensorFlow's kernel makes it: the weights of an output pixel add up to 1, and are
    0 if its centre is outside of the image.
    """

    @classmethod
    def version_18(cls, graph: Graph, node: Node, **_: Any) -> None:
        if node.get_attr_str("kernel_type") != "triangle":
            raise UserError("of resizing only the bilinear kind can be")
        make, antialias = _Nodes(graph), bool(node.get_attr_value("antialias", 1))
        images, size, scale, translation = node.input
        lengths = make("Shape", images)
        rows, columns = (
            cls._weights(
                make,
                make.element(lengths, 1 + axis),
                make.element(make.int64(size), axis),
                make.element(scale, axis),
                make.element(translation, axis),
                antialias,
            )
            for axis in range(2)
        )
        # Sums over one axis of [batch, height, width, channels] after the other.
        resized = make("Einsum", rows, make.float32(images), equation="oh,bhwc->bowc")
        make.replace(node, make("Einsum", columns, resized, equation="pw,bowc->bopc"))

    @staticmethod
    def _weights(make: _Nodes, length: str, size: str, scale: str, translation: str, antialias: bool) -> str:
        """The matrix of one axis, float32 `[size, length]`."""
        half, zero, one = (np.array(value, np.float32) for value in (0.5, 0.0, 1.0))
        step = make("Reciprocal", scale)
        outputs = make("Add", make.float32(make.numbers(size)), half)
        centers = make("Mul", make("Sub", outputs, translation), step)  # [size], in pixels of the input
        centers = make.unsqueezed(centers, 1)
        inputs = make.unsqueezed(make("Add", make.float32(make.numbers(length)), half), 0)
        distances = make("Abs", make("Sub", inputs, centers))
        if antialias:
            distances = make("Div", distances, make("Max", step, one))
        weights = make("Max", make("Sub", one, distances), zero)
        total = make("ReduceSum", weights, _integers(1), keepdims=1)
        inside = make("And", make("GreaterOrEqual", centers, zero), make("LessOrEqual", centers, make.float32(length)))
        return make("Where", inside, make("Div", weights, total), zero)


@tf_op("ImageProjectiveTransformV3")
class _ImageProjectiveTransform:
    """Affine and projective transforms with bilinear interpolation, by sampling at the points of a grid.

    Each row of transforms is (a0, a1, a2, b0, b1, b2, c0, c1): the pixel (x, y) of the output shows the point
    ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k) of the input, where k = c0 x + c1 y + 1. Outside the input is 0.
    """

    @classmethod
    def version_18(cls, graph: Graph, node: Node, **_: Any) -> None:
        kind = node.get_attr_str("interpolation"), node.get_attr_str("fill_mode"), node.inputs[3].get_tensor_value()
        if kind != ("BILINEAR", "CONSTANT", 0.0):
            raise UserError("of projective transforms only bilinear ones that are 0 outside can be")
        make = _Nodes(graph)
        images, transforms, size, _ = node.input
        height, width = (make.element(make.int64(size), axis) for axis in range(2))
        y = make.unsqueezed(make.float32(make.numbers(height)), 0, 2)  # [1, height, 1]
        x = make.unsqueezed(make.float32(make.numbers(width)), 0, 1)  # [1, 1, width]
        factors = [
            make.unsqueezed(make("Gather", transforms, np.array(index, np.int64), axis=1), 1, 2) for index in range(8)
        ]

        def affine(a: str, b: str, c: Union[str, np.ndarray]) -> str:
            return make("Add", make("Add", make("Mul", a, x), make("Mul", b, y)), c)  # [transforms, height, width]

        k = affine(factors[6], factors[7], np.array(1.0, np.float32))
        lengths = make("Shape", images)
        points = [
            cls._normalized(make, make("Div", affine(*factors[first : first + 3]), k), make.element(lengths, axis))
            for first, axis in ((0, 2), (3, 1))
        ]
        grid = make("Concat", *(make.unsqueezed(each, 3) for each in points), axis=3)  # [..., x and y]
        batch = make.part(lengths, 0, 1)
        grid = make("Expand", grid, make("Concat", batch, _integers(1, 1, 1), axis=0))
        first_channels = make("Transpose", images, perm=[0, 3, 1, 2])
        sampled = make("GridSample", first_channels, grid, align_corners=0, mode="bilinear", padding_mode="zeros")
        make.replace(node, make("Transpose", sampled, perm=[0, 2, 3, 1]))

    @staticmethod
    def _normalized(make: _Nodes, points: str, length: str) -> str:
        """From pixels, 0 at the centre of the first, to -1 at the outer edge of the first and 1 at that of the last."""
        one, two = (np.array(value, np.float32) for value in (1.0, 2.0))
        return make("Sub", make("Div", make("Add", make("Mul", points, two), one), make.float32(length)), one)


@tf_op(["StatelessRandomNormalV2", "StatelessRandomUniformV2", "StatelessRandomUniformIntV2"])
class _RandomNumbers:
    """Random numbers by the runtime's own generator: they do not depend on the seed."""

    @classmethod
    def version_18(cls, graph: Graph, node: Node, **_: Any) -> None:
        make = _Nodes(graph)
        zeros = make("Expand", np.array(0.0, np.float32), make.int64(node.input[0]))
        if node.type == "StatelessRandomNormalV2":
            make.replace(node, make("RandomNormalLike", zeros))
            return
        drawn = make("RandomUniformLike", zeros)
        if node.type == "StatelessRandomUniformIntV2":
            lower, upper = node.input[4:]
            dtype = graph.get_dtype(lower)
            count = make("Sub", upper, lower)
            drawn = make("Cast", make("Mul", drawn, make.float32(count)), to=dtype)
            # A product may have been rounded up.
            drawn = make("Add", make("Min", drawn, make("Sub", count, make.like(count, 1))), lower)
        make.replace(node, drawn)


@tf_op("StatelessMultinomial")
class _Multinomial:
    """Draws of categories, `[batch, draws]`, as the maxima of their logits with Gumbel noise, without the seed too."""

    @classmethod
    def version_18(cls, graph: Graph, node: Node, **_: Any) -> None:
        make = _Nodes(graph)
        logits, draws = node.input[:2]
        logits = make.unsqueezed(logits, 1)  # [batch, 1, categories]
        repeats = make("Concat", _integers(1), make.flat(make.int64(draws)), _integers(1), axis=0)
        shape = make("Mul", make("Shape", logits), repeats)
        uniform = make("RandomUniformLike", make("Expand", np.array(0.0, np.float32), shape), low=1e-20, high=1.0)
        noise = make("Neg", make("Log", make("Neg", make("Log", uniform))))
        found = make("ArgMax", make("Add", logits, noise), axis=2, keepdims=0)
        make.replace(node, make("Cast", found, to=graph.get_dtype(node.output[0])))


def missing_operations(graph: GraphProto) -> list[str]:
    """The operations that are none of ONNX's, which tf2onnx leaves where it has no conversion.

    Args:
        graph: A graph; the bodies of its loops and conditions are looked at too.
    """
    missing = {node.op_type for node in graph.node if node.domain or not defs.has(node.op_type)}
    for node in graph.node:
        for attribute in node.attribute:
            for body in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                missing |= set(missing_operations(body))
    return sorted(missing)
