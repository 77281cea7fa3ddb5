"""Models of one operator, and what they should give."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper
import onnxruntime as ort

VERSION = tuple(int(x) for x in ort.__version__.split(".")[:2])
INPUTS = ["query", "key", "value", "key_mask", "bias", "query_segments", "key_segments", "point"]
EXACT = [1, 1, 1, 0, 0, 0, 0.125, 0, 0, 0]


def policy(context_keep=1.0, dropped=1, route=(0, 0.0), select=(0, 0.125), floor=0.0, rank=0, taylor=0):
    return [0, context_keep, dropped, *route, *select, floor, rank, taylor]


def policies(*points):
    """[points][heads][10] from rows."""
    return np.array(points, np.float32)


def kinds(query=(), key=()):
    """Segment kinds for every version of ONNX Runtime."""
    out = {"segment_kinds": ",".join(query) + ";" + ",".join(key)}
    if query:
        out["query_segment_kinds"] = list(query)
    if key:
        out["key_segment_kinds"] = list(key)
    return out


def model(feeds, op="InContextSparseAttention", outputs=("output",), shapes=None, element=TensorProto.FLOAT,
          **attributes):
    """A model of one node; `feeds` names its inputs, `shapes` replaces their shapes."""
    types = {"key_mask": TensorProto.BOOL, "query_segments": TensorProto.INT64, "key_segments": TensorProto.INT64,
             "point": TensorProto.INT64}
    last = max(INPUTS.index(n) for n in feeds)
    names = [n if n in feeds else "" for n in INPUTS[:last + 1]]
    attributes = {k: numpy_helper.from_array(v, k) if isinstance(v, np.ndarray) else v for k, v in attributes.items()}
    attributes.setdefault("site", "blocks.0.attn")
    node = helper.make_node(op, names, list(outputs), name="node", domain="isa", **attributes)
    shapes = shapes or {}
    inputs = [helper.make_tensor_value_info(n, types.get(n, element), shapes.get(n, np.shape(feeds[n])))
              for n in names if n]
    infos = [helper.make_tensor_value_info(n, element if n == "output" else TensorProto.FLOAT, None)
             for n in outputs if n]
    graph = helper.make_graph([node], "g", inputs, infos)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("isa", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


class Library:
    def __init__(self, path):
        self.path = path

    def session(self, data, threads=2):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        options.register_custom_ops_library(self.path)
        return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    def run(self, feeds, threads=2, outputs=("output",), **keywords):
        element = keywords.pop("element", TensorProto.FLOAT)
        data = model(feeds, outputs=outputs, element=element, **keywords)
        values = self.session(data, threads).run(None, feeds)
        return values[0] if len(values) == 1 else values


def fold(x, layout):
    """[B, H, S, D] in a layout."""
    if layout == "BHSD":
        return x
    x = np.ascontiguousarray(x.transpose(0, 2, 1, 3))
    return x if layout == "BSHD" else x.reshape(*x.shape[:2], x.shape[2] * x.shape[3])


def dense(q, k, v, scale=None, mask=None, bias=0.0):
    """Attention in float64; [B, H, S, D], rows without a key zero."""
    q, k, v = (np.asarray(x, np.float64) for x in (q, k, v))
    k, v = (np.repeat(x, q.shape[1] // x.shape[1], axis=1) for x in (k, v))
    scores = q @ k.transpose(0, 1, 3, 2) * (q.shape[-1] ** -0.5 if scale is None else scale) + bias
    if mask is not None:
        scores = np.where(mask[:, None, None, :], scores, -np.inf)
    if scores.shape[-1] == 0:
        return np.zeros((*q.shape[:3], v.shape[-1]))
    top = scores.max(-1, keepdims=True)
    e = np.exp(scores - np.where(np.isfinite(top), top, 0))
    total = e.sum(-1, keepdims=True)
    return e / np.where(total > 0, total, 1) @ v


def relative(actual, expected):
    expected = np.asarray(expected, np.float64)
    return np.linalg.norm(np.asarray(actual, np.float64) - expected) / max(np.linalg.norm(expected), 1e-30)
