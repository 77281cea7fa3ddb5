#!/usr/bin/env python3
"""Makes models/*.onnx, small models for the tests of ONNXGraph, and models/shapes.json: what ONNX Runtime computes.

Needs onnx and onnxruntime from PyPI (made with onnx 1.23.2 and onnxruntime 1.31.1); run it in this folder.
"""
import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper as h, numpy_helper

FOLDER = pathlib.Path(__file__).resolve().parent / "models"


def array(name, values, dtype):
    return numpy_helper.from_array(np.array(values, dtype), name)


def save(model, name):
    # Canonical bytes: what another reader of the same fields writes again.
    (FOLDER / name).write_bytes(model.SerializeToString(deterministic=True))


def value(name, shape, element=TensorProto.FLOAT):
    return h.make_tensor_value_info(name, element, shape)


def every_value():
    """Every kind of attribute, of tensor storage and of metadata, fields newer than old readers included."""
    typed = [
        h.make_tensor("float_data", TensorProto.FLOAT, [3], [1.5, -2.0, 0.25]),
        h.make_tensor("double_data", TensorProto.DOUBLE, [2], [1e-3, 4.0]),
        h.make_tensor("int64_data", TensorProto.INT64, [2, 2], [1, -2, 3, 1 << 40]),
        h.make_tensor("int32_data", TensorProto.INT32, [2], [7, -8]),
        h.make_tensor("uint8_data", TensorProto.UINT8, [3], [0, 128, 255]),
        h.make_tensor("int8_data", TensorProto.INT8, [2], [-128, 127]),
        h.make_tensor("bool_data", TensorProto.BOOL, [3], [True, False, True]),
        h.make_tensor("uint64_data", TensorProto.UINT64, [2], [1, 1 << 40]),
        h.make_tensor("float16_data", TensorProto.FLOAT16, [3], [0.5, -65504.0, 6e-8]),
        h.make_tensor("bfloat16_data", TensorProto.BFLOAT16, [2], [1.0, -3.0]),
        h.make_tensor("int4_data", TensorProto.INT4, [3], [1, -2, 7]),
        h.make_tensor("text_data", TensorProto.STRING, [2], ["a", "b"]),
        array("float_raw", [1.5, -2.0, 0.25], np.float32),
        array("double_raw", [1e-3, 4.0], np.float64),
        array("int64_raw", [[1, -2], [3, 1 << 40]], np.int64),
        array("int32_raw", [7, -8], np.int32),
        array("int16_raw", [-300, 300], np.int16),
        array("uint16_raw", [65535, 1], np.uint16),
        array("float16_raw", [0.5, -65504.0, 6e-8, np.inf], np.float16),
        array("bool_raw", [True, False, True], np.bool_),
        array("scalar", 3.0, np.float32),
        array("empty", np.zeros((0, 4)), np.float32),
    ]
    inner = h.make_graph([h.make_node("Identity", ["x"], ["inner_y"])], "inner", [], [value("inner_y", None)])
    node = h.make_node(
        "Everything", ["x", "", "scalar"], ["everything", ""], name="every attribute", domain="test",
        an_int=-5, a_float=0.5, a_string="text", a_tensor=array("inside", [1, 2], np.int64), ints=[1, 2, 3],
        floats=[0.5, 0.25], strings=["p", "q"], a_graph=inner)
    node.attribute.append(h.make_attribute("graphs", [inner, inner]))
    node.attribute.append(h.make_attribute("a_type", h.make_tensor_type_proto(1, [2])))
    for key, text in [("pkg.torch.onnx.name_scopes", "['', 'blocks.0']"), ("namespace", "blocks.0")]:
        node.metadata_props.add(key=key, value=text)
    node.overload = "second"
    configuration = node.device_configurations.add()
    configuration.configuration_id = "two devices"
    graph = h.make_graph(
        [node, h.make_node("Relu", ["x"], ["y"])], "every value",
        [value("x", ["batch", 4, "2*frames*((height//2))", None])],
        [value("y", None)], initializer=typed, value_info=[value("everything", ["batch", None])])
    graph.metadata_props.add(key="graph key", value="graph value")
    graph.initializer[0].metadata_props.add(key="tensor key", value="tensor value")
    graph.value_info[0].metadata_props.add(key="value key", value="value value")
    model = h.make_model(
        graph, opset_imports=[h.make_opsetid("", 23), h.make_opsetid("test", 1)], ir_version=11,
        producer_name="fixtures")
    model.metadata_props.add(key="key", value="value")
    model.metadata_props.add(key="other", value="värde")
    save(model, "every_value.onnx")


def functions():
    """Nested calls, with attributes by reference, a default, and a subgraph in a function's body."""
    scale = h.make_node("Constant", [], ["s"])
    reference = onnx.AttributeProto(name="value_float", ref_attr_name="scale", type=onnx.AttributeProto.FLOAT)
    scale.attribute.append(reference)
    product = h.make_function(
        "local", "Scaled", ["a"], ["b"],
        [scale, h.make_node("Mul", ["a", "s"], ["b"], name="mul")],
        [h.make_opsetid("", 17)], attributes=[], attribute_protos=[h.make_attribute("scale", 0.5)])
    branch = lambda name, op: h.make_graph([h.make_node(op, ["p"], [name])], name, [], [value(name, None)])
    block = h.make_function(
        "local", "Block", ["p", "c"], ["q"],
        [h.make_node("Scaled", ["p"], ["half"], name="first", domain="local"),
         h.make_node("Scaled", ["half"], ["thrice"], name="second", domain="local", scale=3.0),
         h.make_node(
             "If", ["c"], ["chosen"], name="choose", then_branch=branch("t", "Relu"), else_branch=branch("e", "Neg")),
         h.make_node("Add", ["thrice", "chosen"], ["q"])],
        [h.make_opsetid("", 17), h.make_opsetid("local", 1)])
    graph = h.make_graph(
        [h.make_node("Block", ["x", "flag"], ["h"], name="block0", domain="local"),
         h.make_node("Block", ["h", "flag"], ["y"], name="block1", domain="local")],
        "calls", [value("x", ["n", 3]), value("flag", [], TensorProto.BOOL)], [value("y", None)])
    imports = [h.make_opsetid("", 17), h.make_opsetid("local", 1)]
    model = h.make_model(graph, functions=[product, block], opset_imports=imports, ir_version=9)
    save(model, "functions.onnx")
    return truth("functions.onnx", model, [
        ({"n": 4}, {"x": np.ones((4, 3), np.float32), "flag": np.array(True)})])


def subgraphs():
    """If, Loop and Scan, with values from outside, and a loop in a branch."""
    loop_body = h.make_graph(
        [h.make_node("Add", ["carried", "x"], ["sum"]), h.make_node("Identity", ["go"], ["go_on"]),
         h.make_node("ReduceSum", ["sum", "last_axis"], ["row"], keepdims=0)],
        "body", [value("i", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("carried", None)],
        [value("go_on", [], TensorProto.BOOL), value("sum", None), value("row", None)])
    loop = h.make_node("Loop", ["trips", "", "x"], ["total", "rows"], name="loop", body=loop_body)
    then_branch = h.make_graph([h.make_node("Relu", ["x"], ["then_y"])], "then", [], [value("then_y", None)])
    inner_loop = h.make_node("Loop", ["trips", "", "x"], ["else_y", "unused"], name="inner", body=loop_body)
    else_branch = h.make_graph([inner_loop], "else", [], [value("else_y", None)])
    scan_body = h.make_graph(
        [h.make_node("Add", ["state", "slice"], ["next"]), h.make_node("Identity", ["next"], ["out"])],
        "scan", [value("state", None), value("slice", None)], [value("next", None), value("out", None)])
    graph = h.make_graph(
        [loop,
         h.make_node("If", ["flag"], ["chosen"], name="if", then_branch=then_branch, else_branch=else_branch),
         h.make_node("ReduceSum", ["x", "first_axis"], ["start"], keepdims=0),
         h.make_node("Scan", ["start", "x"], ["final", "sums"], name="scan", body=scan_body, num_scan_inputs=1),
         h.make_node("Add", ["total", "chosen"], ["y"])],
        "subgraphs", [value("x", ["n", 3]), value("flag", [], TensorProto.BOOL)],
        [value("y", None), value("rows", None), value("final", None), value("sums", None)],
        initializer=[
            array("trips", 4, np.int64), array("last_axis", [1], np.int64), array("first_axis", [0], np.int64)])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    save(model, "subgraphs.onnx")
    return truth("subgraphs.onnx", model, [
        ({"n": 2}, {"x": np.ones((2, 3), np.float32), "flag": np.array(True)}),
        ({"n": 5}, {"x": np.ones((5, 3), np.float32), "flag": np.array(False)})])


def external():
    """Weights in another file."""
    data = np.arange(48, dtype=np.float32)
    (FOLDER / "external.bin").write_bytes(data.tobytes())
    tensors = []
    for name, offset, count in [("w", 0, 32), ("b", 128, 16)]:
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[count])
        tensor.data_location = TensorProto.EXTERNAL
        for key, text in [("location", "external.bin"), ("offset", str(offset)), ("length", str(4 * count))]:
            tensor.external_data.add(key=key, value=text)
        tensors.append(tensor)
    nodes = [h.make_node("Mul", ["x", "w"], ["scaled"]), h.make_node("Reshape", ["scaled", "two"], ["pairs"]),
             h.make_node("Add", ["pairs", "b"], ["y"])]
    graph = h.make_graph(nodes, "external", [value("x", ["n", 32])], [value("y", None)],
                         initializer=tensors + [array("two", [-1, 16], np.int64)])
    save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), "external.onnx")


def unsorted():
    """As a converter leaves it that appends its nodes at the end."""
    nodes = [h.make_node("Add", ["cast", "w"], ["sum"], name="add"),
             h.make_node("Softmax", ["sum"], ["y"], name="softmax"),
             h.make_node("Cast", ["x"], ["cast"], name="cast", to=TensorProto.FLOAT)]
    graph = h.make_graph(nodes, "unsorted", [value("x", ["n", 4], TensorProto.FLOAT16)], [value("y", None)],
                         initializer=[array("w", [1, 2, 3, 4], np.float32)])
    save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), "unsorted.onnx")


class Builder:
    """Collects nodes, each with outputs of its own."""

    def __init__(self):
        self.nodes, self.initializers, self.count = [], [], 0

    def constant(self, values, dtype=np.int64):
        name = f"c{len(self.initializers)}"
        self.initializers.append(array(name, values, dtype))
        return name

    def add(self, op, inputs, outputs=1, domain="", **attributes):
        self.count += 1
        names = [f"{op}_{self.count}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
        self.nodes.append(h.make_node(op, inputs, names, name=f"n{self.count}", domain=domain, **attributes))
        return names[0] if outputs == 1 else names


def operators():
    """Each shape rule once or more, over symbolic lengths."""
    b = Builder()
    c, add = b.constant, b.add
    shape = add("Shape", ["x"])
    add("Shape", ["x"], start=1, end=-1)
    add("Size", ["x"])
    batch, rows, columns = (add("Gather", [shape, c(i)]) for i in range(3))
    width = add("Gather", [shape, c([-1])])
    one = lambda v: add("Unsqueeze", [v, c([0])])
    # Reshape, with what exporters compute for it.
    heads = add("Reshape", ["x", add("Concat", [one(batch), one(rows), c([2]), c([-1])], axis=0)])
    add("Reshape", ["x", c([0, 0, 4, -1])])
    add("Reshape", ["x", c([0, -1])])
    add("Reshape", ["x", add("Concat", [one(add("Mul", [batch, rows])), c([-1])], axis=0)], allowzero=1)
    flat = add("Reshape", ["x", add("Concat", [one(batch), c([-1]), one(add("Div", [columns, c(2)]))], axis=0)])
    turned = add("Transpose", [heads], perm=[0, 2, 1, 3])
    keys = add("Transpose", [heads], perm=[0, 2, 3, 1])
    scores = add("MatMul", [turned, keys])
    size = add("Cast", [add("Slice", [add("Shape", [turned]), c([-1]), c([2**63 - 1])])], to=TensorProto.FLOAT)
    scale = add("Sqrt", [add("Div", [c(1.0, np.float32), add("Sqrt", [size])])])
    add("Mul", [turned, scale])
    add("Softmax", [scores], axis=-1)
    # Elements and broadcasting.
    for op in ["Relu", "Neg", "Exp", "Sigmoid"]:
        add(op, ["x"])
    add("Cast", ["x"], to=TensorProto.INT32)
    add("Equal", [rows, columns])
    add("Where", [add("Greater", ["x", c(0.0, np.float32)]), "x", c(np.zeros((1, 8)), np.float32)])
    add("Max", ["x", c(np.zeros((1, 1, 8)), np.float32), c(0.0, np.float32)])
    add("Pow", ["x", c(2.0, np.float32)])
    # Layout.
    add("Flatten", ["x"], axis=2)
    add("Squeeze", [add("Unsqueeze", ["x", c([1, -1])]), c([1])])
    add("Concat", ["x", "other"], axis=1)
    add("Split", ["x", c([3, 5])], outputs=2, axis=2)
    add("Split", [add("Concat", ["x", "x"], axis=1)], outputs=2, axis=1)
    add("Expand", [add("Slice", ["x", c([0]), c([1]), c([1])]), shape])
    target = add("Concat", [one(batch), c([-1]), c([8])], axis=0)
    ones = add("ConstantOfShape", [add("Shape", [target])], value=array("", [1], np.int64))
    minus = add("Mul", [ones, c(-1)])
    add("Expand", ["x", add("Where", [add("Equal", [target, minus]), ones, target])])
    add("Tile", ["x", c([1, 2, 3])])
    add("Pad", ["x", c([0, 1, 0, 0, 2, 0])])
    add("DepthToSpace", ["image"], blocksize=2)
    add("SpaceToDepth", ["image"], blocksize=2)
    # Selection.
    add("Slice", ["x", c([1]), c([2**63 - 1]), c([1])])
    add("Slice", ["x", c([0]), c([-1]), c([1])])
    add("Slice", ["x", c([-1]), c([-(2**63) + 1]), c([1]), c([-1])])
    add("Slice", ["x", c([0]), c([2**63 - 1]), c([2]), c([2])])
    add("Slice", ["x", c([0]), one(add("Div", [rows, c(2)])), c([1])])
    add("Slice", [add("Concat", ["x", "other"], axis=1), one(rows), c([2**63 - 1]), c([1])])
    add("Slice", [add("Concat", ["x", "other"], axis=1), c([0]), one(rows), c([1])])
    add("Slice", ["x", c([0]), c([3]), c([1])])
    add("Gather", ["x", c([[0, 1, 1]])], axis=2)
    add("GatherND", ["x", c([[0, 1]])])
    add("GatherElements", ["x", c(np.zeros((1, 1, 2)))], axis=2)
    add("TopK", ["x", c([2])], outputs=2)
    add("OneHot", [c([1, 2]), c(5), c([0.0, 1.0], np.float32)])
    # Sources.
    add("ConstantOfShape", [shape])
    positions = add("Range", [c(0), rows, c(1)])
    add("Range", [c(3), c(9), c(2)])
    add("LessOrEqual", [add("Unsqueeze", [positions, c([0])]), add("Unsqueeze", [positions, c([1])])])
    # Products, reductions, windows.
    add("MatMul", ["x", c(np.zeros((8, 5)), np.float32)])
    add("Gemm", [add("Reshape", ["x", c([-1, 8])]), c(np.zeros((6, 8)), np.float32)], transB=1)
    add("Einsum", [turned, turned], equation="bhid,bhjd->bhij")
    add("FusedMatMul", [turned, turned], domain="com.microsoft", transB=1, alpha=0.5)
    add("ReduceMean", ["x"], axes=[-1])
    add("ReduceMax", ["x"], axes=[0, 2], keepdims=0)
    add("ReduceSum", ["x", c([1])], keepdims=0)
    add("ReduceProd", [add("Slice", [shape, c([0]), c([2])])], keepdims=0)
    add("ArgMax", ["x"], axis=1, keepdims=0)
    weight = c(np.zeros((6, 4, 2, 2)), np.float32)
    patches = add("Conv", ["image", weight], strides=[2, 2])
    add("Conv", ["image", weight], pads=[1, 1, 0, 0], dilations=[1, 1])
    add("Conv", ["image", weight], auto_pad="SAME_UPPER", strides=[2, 2])
    add("ConvTranspose", [patches, c(np.zeros((6, 3, 2, 2)), np.float32)], strides=[2, 2])
    add("MaxPool", ["image"], kernel_shape=[2, 2], strides=[2, 2])
    add("AveragePool", ["image"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    add("GlobalAveragePool", ["image"])
    add("Resize", ["image", "", c([1, 1, 2, 2], np.float32)], mode="nearest")
    add("Resize", ["image", "", c([1, 1, 0.5, 0.5], np.float32)], mode="nearest")
    tokens = add("Transpose", [add("Reshape", [patches, c([0, 0, -1])])], perm=[0, 2, 1])
    normal = add("LayerNormalization", [tokens, c(np.ones(6), np.float32), c(np.zeros(6), np.float32)])
    half = add("Floor", [add("Div", [add("Cast", [rows], to=TensorProto.FLOAT), c(2.0, np.float32)])])
    add("Slice", ["x", c([0]), one(add("Cast", [half], to=TensorProto.INT64)), c([1])])
    add("MultiHeadAttention", [normal, normal, normal], domain="com.microsoft", num_heads=2)
    add("IsNaN", ["x"])
    add("CumSum", ["x", c(1)])
    add("Trilu", ["x"])
    add("NonZero", ["x"])
    add("DynamicQuantizeLinear", ["x"], outputs=3)
    graph = h.make_graph(
        b.nodes, "operators",
        [value("x", ["batch", "rows", 8]), value("other", ["batch", "more", 8]),
         value("image", ["batch", 4, "height", "width"])],
        [onnx.helper.make_empty_tensor_value_info(o) for n in b.nodes for o in n.output], initializer=b.initializers)
    imports = [h.make_opsetid("", 17), h.make_opsetid("com.microsoft", 1)]
    model = h.make_model(graph, opset_imports=imports, ir_version=8)
    runs = []
    for batch, rows, more, height, width in [(2, 6, 3, 8, 12), (3, 10, 1, 4, 6)]:
        runs.append((
            {"batch": batch, "rows": rows, "more": more, "height": height, "width": width},
            {"x": np.random.default_rng(0).normal(size=(batch, rows, 8)).astype(np.float32),
             "other": np.ones((batch, more, 8), np.float32), "image": np.ones((batch, 4, height, width), np.float32)}))
    result = truth("operators.onnx", model, runs)
    # Not all are needed as outputs to be looked at.
    del model.graph.output[1:]
    save(model, "operators.onnx")
    return result


def truth(name, model, runs):
    """What ONNX Runtime computes for the named lengths: shapes, and the elements of small tensors."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    result = []
    for lengths, feeds in runs:
        values = {}
        for output, array in zip(session.get_outputs(), session.run(None, feeds)):
            entry = {"type": int(h.np_dtype_to_tensor_dtype(array.dtype)), "shape": list(array.shape)}
            if array.dtype.kind in "iufb" and array.size <= 16:
                entry["elements"] = [float(v) for v in array.reshape(-1)]
            values[output.name] = entry
        result.append({"model": name, "lengths": lengths, "values": values})
    return result


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    every_value()
    external()
    unsorted()
    cases = subgraphs() + functions() + operators()
    (FOLDER / "shapes.json").write_text(json.dumps(cases, separators=(",", ":"), sort_keys=True) + "\n")
