"""Large models of our own making, for time and memory."""
import numpy as np
import onnx
from onnx import TensorProto, helper as h, numpy_helper


def transformer(path, blocks, external=0):
    """Blocks of 48 nodes with one attention each; `external` bytes of weights in a sparse file beside the model."""
    nodes, x = [], "x"
    weights = [numpy_helper.from_array(np.zeros((64, 64), np.float32), "w"),
               numpy_helper.from_array(np.array([0, 0, 4, 16]), "heads"),
               numpy_helper.from_array(np.array([0, 0, 64]), "joined"),
               numpy_helper.from_array(np.array([0.5], np.float32), "scale")]
    for block in range(blocks):
        def add(op, *inputs, **attributes):
            name = f"/blocks.{block}/attn/{op}_{len(nodes)}"
            nodes.append(h.make_node(op, inputs, [name + "_output"], name=name, **attributes))
            return name + "_output"

        q, k, v = (add("Reshape", add("MatMul", x, "w"), "heads") for _ in range(3))
        q = add("Mul", add("Transpose", q, perm=[0, 2, 1, 3]), "scale")
        k = add("Mul", add("Transpose", k, perm=[0, 2, 3, 1]), "scale")
        weighted = add("MatMul", add("Softmax", add("MatMul", q, k), axis=-1), add("Transpose", v, perm=[0, 2, 1, 3]))
        x = add("Add", x, add("MatMul", add("Reshape", add("Transpose", weighted, perm=[0, 2, 1, 3]), "joined"), "w"))
        for _ in range(6):
            y = add("MatMul", x, "w")
            x = add("Add", x, add("MatMul", add("Mul", y, add("Sigmoid", y)), "w"))
    for i in range(external >> 30):
        tensor = TensorProto(name=f"large{i}", data_type=TensorProto.FLOAT, dims=[1 << 28])
        tensor.data_location = TensorProto.EXTERNAL
        for key, text in [("location", "weights.bin"), ("offset", str(i << 30)), ("length", str(1 << 30))]:
            tensor.external_data.add(key=key, value=text)
        weights.append(tensor)
        nodes.append(h.make_node("ReduceMean", [f"large{i}"], [f"mean{i}"], name=f"mean{i}", axes=[0]))
        nodes.append(h.make_node("Add", [x, f"mean{i}"], [f"shifted{i}"], name=f"shifted{i}"))
        x = f"shifted{i}"
    if external:
        with open(path.with_name("weights.bin"), "wb") as file:
            file.truncate(external)
    value = lambda name: h.make_tensor_value_info(name, TensorProto.FLOAT, [1, 128, 64])
    graph = h.make_graph(nodes, "synthetic", [value("x")], [value(x)], initializer=weights)
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), path)
    return len(nodes)
