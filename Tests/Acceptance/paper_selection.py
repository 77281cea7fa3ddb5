"""paper_selection.py PATCHED.onnx FOLDER: the nodes of a patched editor against the float64 oracle.

One step at 8x128x128 in ONNX Runtime, with every site's queries, keys, values and output taken out; `selection-check`
then selects and computes with the operator and with the oracle. Files go to FOLDER. Prints one line of key=value, for
the caller to judge: it fails only where nothing could be measured.
"""
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

from harness import OPS, ROOT
from issue_8 import step_inputs

CHECK = ROOT / ".build/release/selection-check"


def to_bhsd(x, layout, heads):
    """A tensor of the operator as [batch, heads, tokens, size]."""
    if layout == "BSE":
        x = x.reshape(*x.shape[:2], heads, -1)
    return np.ascontiguousarray(x if layout == "BHSD" else x.transpose(0, 2, 1, 3))


def sites(model):
    """(node, its attributes) of each patched site."""
    for node in model.graph.node:
        if node.domain == "isa" and node.op_type == "InContextSparseAttention":
            yield node, {a.name: helper.get_attribute_value(a) for a in node.attribute}


def exposed(model):
    """The model with the tensors of every site, and the segments, as further outputs; their names."""
    types = {i.name: i.data_type for i in model.graph.initializer}
    names = []
    for node, _ in sites(model):
        for name, kind in [*((n, onnx.TensorProto.FLOAT) for n in [*node.input[:3], node.output[0]]),
                           *((n, onnx.TensorProto.INT64) for n in node.input[5:7])]:
            present = {o.name for o in model.graph.output}
            if name and name not in types and name not in present:
                model.graph.output.append(helper.make_tensor_value_info(name, kind, None))
            if name:
                names.append(name)
    return list(dict.fromkeys(n for n in names if n not in types))


def segment_option(kinds, rows):
    """The segments as selection-check takes them."""
    def one(kind, row):
        length, *grid = (int(x) for x in row)
        return f"{kind.decode()}={length}" + (":" + "x".join(map(str, grid)) if any(grid) else "")
    return ",".join(one(k, r) for k, r in zip(kinds, rows))


def ensure_check():
    subprocess.run(["swift", "build", "-c", "release", "--product", "selection-check"], cwd=ROOT, check=True,
                   stdout=sys.stderr)


def main():
    path, folder = Path(sys.argv[1]), Path(sys.argv[2])
    ensure_check()
    model = onnx.load(path)
    constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer
                 if i.data_type == onnx.TensorProto.INT64}
    names = exposed(model)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    options.register_custom_ops_library(str(OPS))
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values = {**constants, **dict(zip(names, session.run(names, step_inputs(8, 128, 128))))}

    groups = {}
    for index, (node, attributes) in enumerate(sites(model)):
        text = lambda name, default="BSHD": attributes.get(name, default.encode()).decode()
        heads = attributes["num_heads"]
        kv_heads = attributes.get("kv_num_heads", heads)
        policies = numpy_helper.to_array(attributes["policies"])[0]
        layout = text("layout")
        file = folder / f"site{index}.npz"
        np.savez(file, query=to_bhsd(values[node.input[0]], layout, heads),
                 key=to_bhsd(values[node.input[1]], text("key_layout", layout), kv_heads),
                 value=to_bhsd(values[node.input[2]], text("value_layout", layout), kv_heads),
                 output=to_bhsd(values[node.output[0]], text("output_layout", layout), heads),
                 policies=policies.astype(np.float32))
        given = ["--segments", segment_option(attributes["key_segment_kinds"], values[node.input[6]])]
        for option, name in [("--block-q", "block_q"), ("--block-k", "block_k"), ("--scale", "scale")]:
            if name in attributes:
                given += [option, str(attributes[name])]
        if "tile" in attributes:
            given += ["--tile", "x".join(map(str, attributes["tile"]))]
        groups.setdefault(tuple(given), []).append(str(file))
    if len(groups) != 1:
        sys.exit(f"{path} has {len(groups)} kinds of sites; this check takes models whose sites share segments and blocks.")
    (given, files), = groups.items()
    result = subprocess.run([str(CHECK), "editor", *given, *files], stdout=subprocess.PIPE, text=True)
    print(f"sites={len(files)} {result.stdout.strip()}")
    sys.exit(0 if result.returncode in (0, 1) else result.returncode)


if __name__ == "__main__":
    main()
