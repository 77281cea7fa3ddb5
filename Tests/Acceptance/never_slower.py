"""Models of one attention as exporters write it, patched as a user would, and timed against themselves."""
import time

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from harness import OPS, run

HEADS, SIZE = 4, 64


def decomposed(mask):
    nodes = []
    for name, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += [helper.make_node("Reshape", [name, "split"], [name + "4"]),
                  helper.make_node("Transpose", [name + "4"], [name + "t"], perm=perm)]
    scores = "scaled"
    nodes += [helper.make_node("MatMul", ["qt", "kt"], ["scores"]), helper.make_node("Mul", ["scores", "scale"], [scores])]
    if mask == "bias":
        nodes.append(helper.make_node("Add", [scores, "mask"], ["masked"]))
    elif mask == "keys":
        nodes.append(helper.make_node("Where", ["mask", scores, "low"], ["masked"]))
    nodes += [helper.make_node("Softmax", ["masked" if mask else scores], ["weights"]),
              helper.make_node("MatMul", ["weights", "vt"], ["ot"]),
              helper.make_node("Transpose", ["ot"], ["o4"], perm=[0, 2, 1, 3]),
              helper.make_node("Reshape", ["o4", "joined"], ["o"])]
    constants = {"split": np.array([0, 0, HEADS, SIZE]), "joined": np.array([0, 0, HEADS * SIZE]),
                 "scale": np.float32(SIZE ** -0.5)}
    if mask == "keys":
        constants["low"] = np.float32(-np.inf)
    return nodes, constants, []


def standard(mask):
    inputs = ["q", "k", "v"] + (["mask"] if mask else [])
    return [helper.make_node("Attention", inputs, ["o"], q_num_heads=HEADS, kv_num_heads=HEADS)], {}, [("", 23)]


def fused(mask):
    inputs = ["q", "k", "v"] + (["", "", "mask"] if mask else [])
    node = helper.make_node("MultiHeadAttention", inputs, ["o"], domain="com.microsoft", num_heads=HEADS)
    return [node], {}, [("com.microsoft", 1)]


FORMS = [("decomposed", decomposed, (None, "bias", "keys")), ("Attention", standard, (None, "bias")),
         ("MultiHeadAttention", fused, (None, "bias"))]


def model(form, mask, tokens):
    nodes, constants, opsets = form(mask)
    # Queries, keys and values of one source: else it would be cross-attention.
    nodes = [helper.make_node("Split", ["x", "thirds"], list("qkv"), axis=2)] + nodes
    constants["thirds"] = np.array([HEADS * SIZE] * 3)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, tokens, 3 * HEADS * SIZE])]
    if mask:
        kind = TensorProto.FLOAT if mask == "bias" else TensorProto.BOOL
        inputs.append(helper.make_tensor_value_info("mask", kind, [1, 1, 1 if mask == "keys" else tokens, tokens]))
    output = helper.make_tensor_value_info("o", TensorProto.FLOAT, [1, tokens, HEADS * SIZE])
    initializers = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "one", inputs, [output], initializers)
    imports = dict([("", 17)] + opsets)
    result = helper.make_model(graph, opset_imports=[helper.make_opsetid(d, v) for d, v in imports.items()])
    result.ir_version = 10 if imports[""] > 21 else 8
    return result


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.register_custom_ops_library(str(OPS))
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def share(original, patched, feed, repeats):
    """Patched over original, medians of interleaved runs, by the thread's CPU time; the outputs' distance."""
    sessions = [session(original), session(patched)]
    results = [s.run(None, feed)[0] for s in sessions]
    times = [[], []]
    for _ in range(repeats):
        for s, t in zip(sessions, times):
            start = time.thread_time()
            s.run(None, feed)
            t.append(time.thread_time() - start)
    error = np.linalg.norm(results[1] - results[0]) / np.linalg.norm(results[0])
    return np.median(times[1]) / np.median(times[0]), error


def never_slower_rows(table, folder, quick):
    rng = np.random.default_rng(3)
    for name, form, masks in FORMS:
        for mask in masks:
            parts, worst, wrong = [], 0.0, 0.0
            for tokens in (256, 512, 1024) if quick else (256, 512, 1024, 2048, 4096):
                original, patched = folder / "original.onnx", folder / "patched.onnx"
                onnx.save(model(form, mask, tokens), original)
                kept = run("patch", original, "--min-tokens", 1, "-o", patched, check=False).code == 2
                feed = {"x": rng.standard_normal((1, tokens, 3 * HEADS * SIZE), dtype=np.float32)}
                if mask == "bias":
                    feed["mask"] = rng.standard_normal((1, 1, tokens, tokens), dtype=np.float32)
                elif mask == "keys":
                    feed["mask"] = (rng.random((1, 1, 1, tokens)) < 0.9)
                ratio, error = share(original, patched, feed, 31 if tokens <= 1024 else 9)
                parts.append(f"{tokens:,}: {'kept' if kept else f'{ratio:.2f}'}")
                worst = max(worst, 0 if kept else ratio)
                wrong = max(wrong, error)
            table.row(f"exact over {name}{', ' + mask if mask else ''}, time", "≤ 1.02 or kept, same within 1e-5",
                      f"{', '.join(parts)}; {wrong:.0e}", worst <= 1.02 and wrong <= 1e-5)
