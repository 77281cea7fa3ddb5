"""The operator against ONNX Runtime's own attention, interleaved in one process.

    python attention.py [--library PATH/TO/libisa_ops.so] [--tokens 2048 4096] [--heads 4] [--head-size 128] [--repeats 7]
                        [--threads 1] [--cases exact,gap] [--kernel NAME] [--torch]

Needs numpy, onnx and onnxruntime. The peer is com.microsoft.MultiHeadAttention in float32; with --torch, PyTorch's
scaled_dot_product_attention stands beside it, in both types (`isa-patch bench attention --peers all` has the others). With one thread, times are
the thread's CPU time, so that other work on the machine counts less; with more they are wall time. A line gives the
best and the median of each, and the ratio of both.
"""
import argparse
import os
import time

import numpy as np

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--library", default=os.path.join(os.path.dirname(__file__), "../../.build/release/libisa_ops.so"))
parser.add_argument("--tokens", type=int, nargs="+", default=[2048, 4096])
parser.add_argument("--heads", type=int, default=4)
parser.add_argument("--head-size", type=int, default=128)
parser.add_argument("--repeats", type=int, default=7)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--cases", default="", help="parts of names, by commas")
parser.add_argument("--kernel", help="a row of the kernel table, as avx2")
parser.add_argument("--torch", action="store_true", help="PyTorch's own attention too, where it is installed")
options = parser.parse_args()
if options.kernel:
    os.environ["ISA_KERNEL"] = options.kernel

import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

CASES = {
    "exact": [1, 1, 1, 0, 0, 0, 1, 0, 0, 0],
    "paper": [0, 0.125, 0, 0, 0.5, 0, 0.0625, 0, 0, 0],
    "mass 1/8": [0, 1, 1, 0, 0, 0, 0.125, 0, 0, 0],
    "gap 1/8": [0, 1, 1, 0, 0, 0, 0.125, 0, 1, 0],
    "gap one block": [0, 1, 1, 0, 0, 2, 1, 0, 1, 0],
}


def session(node, inputs, initializers, width):
    shapes = [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, None, width]) for x in inputs]
    out = helper.make_tensor_value_info("o", TensorProto.FLOAT, [1, None, width])
    graph = helper.make_graph([node], "g", shapes, [out], initializers)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1), helper.make_opsetid("isa", 1)]
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = 8
    so = ort.SessionOptions()
    so.intra_op_num_threads = options.threads
    so.inter_op_num_threads = 1
    # Two sessions must not spin on each other's cores.
    so.add_session_config_entry("session.intra_op.allow_spinning", "0")
    so.register_custom_ops_library(os.path.abspath(options.library))
    return ort.InferenceSession(model.SerializeToString(), so, providers=["CPUExecutionProvider"])


def isa(tokens, policy, compute):
    h = options.heads
    half = tokens // 2
    grid = [half, half // 256, 16, 16] if half % 256 == 0 else [half, 0, 0, 0]
    segments = numpy_helper.from_array(np.array([grid, grid], np.int64), "segments")
    table = numpy_helper.from_array(np.tile(np.array(policy, np.float32), (1, h, 1)), "policies")
    node = helper.make_node(
        "InContextSparseAttention", ["q", "k", "v", "", "", "segments"], ["o"], name="site", domain="isa", num_heads=h,
        layout="BSE", compute=compute, policies=table, tile=[4, 4, 4], segment_kinds="target,context;target,context",
        query_segment_kinds=["target", "context"], key_segment_kinds=["target", "context"])
    return session(node, "qkv", [segments], h * options.head_size)


def timed(run, feed):
    clock = time.thread_time if options.threads == 1 else time.perf_counter
    start = clock()
    run.run(None, feed)
    return clock() - start


class TorchAttention:
    """PyTorch's scaled_dot_product_attention on the same numbers, with a session's `run`."""

    def __init__(self, feed, dtype):
        import torch
        torch.set_num_threads(options.threads)
        self.call = torch.nn.functional.scaled_dot_product_attention
        shape = (1, -1, options.heads, options.head_size)
        self.qkv = [torch.from_numpy(feed[x]).view(shape).transpose(1, 2).to(getattr(torch, dtype)) for x in "qkv"]

    def run(self, *_):
        self.call(*self.qkv)


for tokens in options.tokens:
    width = options.heads * options.head_size
    noise = np.random.default_rng(0)
    feed = {x: noise.standard_normal((1, tokens, width), dtype=np.float32) for x in "qkv"}
    peer_node = helper.make_node("MultiHeadAttention", list("qkv"), ["o"], domain="com.microsoft", num_heads=options.heads)
    peer = session(peer_node, "qkv", [], width)
    runs = {}
    for name, policy in CASES.items():
        for compute in ("float32", "bfloat16"):
            label = f"{name}, {compute}"
            if not options.cases or any(part in label for part in options.cases.split(",")):
                runs[label] = isa(tokens, policy, compute)
    if options.torch:
        for dtype in ("float32", "bfloat16"):
            runs[f"PyTorch, {dtype}"] = TorchAttention(feed, dtype)
    for run in runs.values():
        timed(run, feed)
    times = {name: [] for name in runs}
    peers = []
    for _ in range(options.repeats):
        peers.append(timed(peer, feed))
        for name, run in runs.items():
            times[name].append(timed(run, feed))
    flops = 4 * options.heads * options.head_size * tokens * tokens
    print(f"{tokens} tokens, {options.heads} heads of {options.head_size}, {options.threads} threads: "
          f"ONNX Runtime {min(peers) * 1e3:.1f} ms ({np.median(peers) * 1e3:.1f}), {flops / min(peers) / 1e9:.0f} GFLOP/s")
    for name, t in times.items():
        print(f"  {name:24s} {min(t) * 1e3:8.1f} ms ({np.median(t) * 1e3:8.1f})  "
              f"{min(peers) / min(t):6.2f} x ({np.median(peers) / np.median(t):6.2f})", flush=True)
