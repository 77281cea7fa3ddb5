"""one_attention.py TOKENS HEADS BATCH: one call at scale, heads of 128, and the memory that it took.

Prints key=value words. What the operator may take beside its tensors: packed keys and values of two heads in bfloat16
with their means, and the tables of query blocks by key blocks of two heads, each for two threads; half as much again.
"""
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from harness import OPS



def memory(what):
    """In MiB; the high-water mark counts from the last write of 5 to clear_refs."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


tokens, heads, batch = map(int, sys.argv[1:])
width = heads * 128
half = tokens // 2
segments = numpy_helper.from_array(np.array([[half, half // 256, 16, 16]] * 2, np.int64), "segments")
policy = np.tile(np.array([0, 1, 1, 0, 0, 0, 1 / 64, 0, 0, 0], np.float32), (1, heads, 1))
node = helper.make_node(
    "InContextSparseAttention", ["q", "k", "v", "", "", "segments"], ["o"], domain="isa", num_heads=heads, layout="BSE",
    compute="bfloat16", policies=numpy_helper.from_array(policy, "p"), tile=[4, 4, 4],
    segment_kinds="target,context;target,context", query_segment_kinds=["target", "context"],
    key_segment_kinds=["target", "context"])
shapes = [helper.make_tensor_value_info(x, TensorProto.FLOAT, [batch, tokens, width]) for x in "qkvo"]
graph = helper.make_graph([node], "g", shapes[:3], shapes[3:], [segments])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("isa", 1)])
model.ir_version = 8
options = ort.SessionOptions()
options.intra_op_num_threads = 2
options.enable_mem_pattern = False
options.register_custom_ops_library(str(OPS))
session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

rng = np.random.default_rng(1)
feed = {x: rng.standard_normal((batch, tokens, width), dtype=np.float32) for x in "qkv"}
Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS")
start = time.monotonic()
output = session.run(None, feed)[0]
seconds = time.monotonic() - start
after = memory("VmHWM")

mib = 1 << 20
tensor = batch * tokens * width * 4 / mib
blocks = (tokens // 64) * (tokens // 32)
linear = 2 * (2 * tokens * 128 * 2 + 4 * (tokens // 32) * 128 * 4) / mib
tables = 2 * 2 * blocks * 4 / mib
panels = 2 * 2 * 64 * (tokens // 32) * 4 / mib
own = after - before - tensor  # less the output
print(f"seconds={seconds:.1f} tensors_mib={4 * tensor:.0f} own_mib={max(0, own):.0f}",
      f"limit_mib={1.5 * (linear + tables + panels) + 16:.0f}", f"finite={'yes' if np.isfinite(output).all() else 'no'}")
