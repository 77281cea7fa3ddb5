"""Writes the sample editor as ONNX: float16 initializers, each with a Cast to float32, to halve the file.

python3 export.py WEIGHTS.pt EDITOR.onnx
"""
import sys

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from model import Editor


def halve(model):
    """Stores float32 weights of more than 1,024 values as float16."""
    graph, casts = model.graph, []
    for tensor in list(graph.initializer):
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < 1024:
            continue
        half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name + ".half")
        casts.append(helper.make_node("Cast", [half.name], [tensor.name], name=tensor.name + ".float",
                                      to=onnx.TensorProto.FLOAT))
        graph.initializer.remove(tensor)
        graph.initializer.append(half)
    nodes = casts + list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)


def export(model, path, opset=18):
    f, h, w = 8, 128, 128
    x = torch.randn(2, 3, f, h, w)
    inputs = (x, torch.rand_like(x) * 2 - 1, torch.tensor([1.0, 0.5]), torch.tensor([0, 5]))
    dim = torch.export.Dim
    batch, frames = dim("B", min=1, max=16), dim("F", min=2, max=64)
    rows, columns = 8 * dim("h", min=2, max=64), 8 * dim("w", min=2, max=64)
    video = {0: batch, 2: frames, 3: rows, 4: columns}
    program = torch.onnx.export(
        model.eval(), inputs, dynamo=True, opset_version=opset, input_names=["sample", "source", "timestep", "edit"],
        output_names=["velocity"], external_data=False, optimize=True,
        dynamic_shapes={"sample": video, "source": video, "timestep": {0: batch}, "edit": {0: batch}})
    proto = program.model_proto
    for node in proto.graph.node:  # the exporter's stack traces name this machine's files
        kept = [p for p in node.metadata_props if p.key != "pkg.torch.onnx.stack_trace"]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
        node.ClearField("doc_string")
    halve(proto)
    onnx.checker.check_model(proto)
    onnx.save(proto, path)


if __name__ == "__main__":
    editor = Editor()
    editor.load_state_dict(torch.load(sys.argv[1], map_location="cpu"))
    export(editor, sys.argv[2])
