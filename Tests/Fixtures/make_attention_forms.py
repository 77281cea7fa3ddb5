"""Small models of attention in rarer forms, one file each in forms/, with what is expected of them in forms.json:
make_attention_forms.py. Inputs are made by the test, so that nothing of ours is in the expectation: a form is replaced,
and the outputs are the original's in ONNX Runtime, or it is kept for the reason given.
"""
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper as h, numpy_helper

FOLDER = Path(__file__).parent / "forms"
CASES = []
B, H, S, D = 2, 6, 10, 4
random = np.random.default_rng(5)


class Graph:
    """Nodes with outputs of their own, constants as initializers."""

    def __init__(self, opset=17):
        self.opset, self.nodes, self.initializers, self.inputs, self.outputs, self.domains = opset, [], [], [], [], {}

    def input(self, name, shape, dtype=TensorProto.FLOAT):
        self.inputs.append(h.make_tensor_value_info(name, dtype, shape))
        return name

    def constant(self, values, dtype=np.int64):
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.array(values, dtype), name))
        return name

    def floats(self, values):
        return self.constant(values, np.float32)

    def __getattr__(self, op):
        def add(*inputs, domain="", outputs=1, **attributes):
            names = [f"{op}_{len(self.nodes)}" + (f"_{i}" if i else "") for i in range(outputs)]
            if domain:
                self.domains[domain] = 1
            self.nodes.append(h.make_node(op, inputs, names, name=f"node_{len(self.nodes)}", domain=domain, **attributes))
            return names[0] if outputs == 1 else names
        return add

    def output(self, value, name="y"):
        self.nodes.append(h.make_node("Identity", [value], [name], name=f"to_{name}"))
        self.outputs.append(h.make_empty_tensor_value_info(name))

    # Steps that differ between opsets.
    def axes(self, op, value, axes):
        return getattr(self, op)(value, axes=axes) if self.opset < 13 else getattr(self, op)(value, self.constant(axes))

    def slice(self, value, axis, start, end):
        if self.opset < 10:
            return self.Slice(value, axes=[axis], starts=[start], ends=[end])
        return self.Slice(value, self.constant([start]), self.constant([end]), self.constant([axis]))

    def softmax(self, value, rank=4):
        return self.Softmax(value, axis=-1 if self.opset >= 13 else rank - 1)

    def save(self, name, functions=(), **expected):
        graph = h.make_graph(self.nodes, name, self.inputs, self.outputs, initializer=self.initializers)
        imports = [h.make_opsetid("", self.opset)] + [h.make_opsetid(d, v) for d, v in self.domains.items()]
        ir = 4 if self.opset < 10 else 8 if self.opset < 21 else 10
        model = h.make_model(graph, opset_imports=imports, ir_version=ir, producer_name="fixtures", functions=functions)
        (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString())
        CASES.append({"name": name, **expected})


def qkv(g, q=(B, H, S, D), k=None, v=None):
    k = k or q
    return g.input("q", q), g.input("k", k), g.input("v", v or k)


def scores(g, q, k, rank=4, scale=0.5):
    perm = list(range(rank - 2)) + [rank - 1, rank - 2]
    return g.Mul(g.MatMul(q, g.Transpose(k, perm=perm)), g.floats(scale))


def expanded(g, k, groups, heads=None, dynamic=False):
    """As torch's repeat_kv comes out of the TorchScript exporter, the length −1 undone by Where."""
    batch, length, width = (B, S, D)
    unsqueezed = g.axes("Unsqueeze", k, [2])
    if dynamic:
        shape = g.Shape(k)
        part = lambda i: g.Slice(shape, g.constant([i]), g.constant([i + 1]))
        full = g.Concat(part(0), part(1), g.constant([groups]), part(2), part(3), axis=0)
        flat = g.Concat(part(0), g.Mul(part(1), g.constant([groups])), part(2), part(3), axis=0)
    else:
        wish = g.constant([batch, heads, groups, -1, width])
        ones = g.ConstantOfShape(g.constant([5]), value=numpy_helper.from_array(np.ones(1, np.int64)))
        full = g.Where(g.Equal(wish, g.Mul(ones, g.constant(-1))), ones, wish)
        flat = g.constant([batch, heads * groups, length, width])
    return g.Reshape(g.Expand(unsqueezed, full), flat)


def grouped():
    for name, kv, dynamic in [("gqa_expand", 2, False), ("gqa_expand_dynamic", 3, True), ("mqa_expand", 1, False)]:
        g = Graph()
        shape = lambda heads: ("b", heads, "s", D) if dynamic else (B, heads, S, D)
        q, k, v = qkv(g, shape(H), shape(kv))
        k, v = (expanded(g, x, H // kv, kv, dynamic) for x in (k, v))
        g.output(g.MatMul(g.softmax(scores(g, q, k)), v))
        g.save(name, key_heads=kv, heads=H, lengths={"b": B, "s": S})

    # The transposition in three dimensions, as dynamo writes it, after the expansion.
    g = Graph(18)
    q, k, v = qkv(g, (B, H, S, D), (B, 2, S, D))
    k, v = expanded(g, k, 3, 2), expanded(g, v, 3, 2)
    kt = g.Reshape(g.Transpose(g.Reshape(k, g.constant([-1, S, D])), perm=[0, 2, 1]), g.constant([B, H, D, S]))
    g.output(g.MatMul(g.softmax(g.Mul(g.MatMul(q, kt), g.floats([0.5]))), v))
    g.save("gqa_transposed_flat", key_heads=2, heads=H)

    # Heads expanded for the standard operator.
    g = Graph(23)
    q, k, v = qkv(g, (B, H, S, D), (B, 2, S, D))
    g.output(g.Attention(q, expanded(g, k, 3, 2), expanded(g, v, 3, 2)))
    g.save("gqa_standard_operator", key_heads=2, heads=H)

    # Only the keys are expanded: nothing is shared.
    g = Graph()
    q, k, v = qkv(g, (B, H, S, D), (B, 2, S, D), (B, H, S, D))
    g.output(g.MatMul(g.softmax(scores(g, q, expanded(g, k, 3, 2))), v))
    g.save("gqa_keys_alone", key_heads=H, heads=H)

    # Keys that a batch shares are no grouped heads.
    g = Graph()
    q, k, v = qkv(g, (B, H, S, D), (1, H, S, D))
    k, v = (g.Expand(x, g.constant([B, H, S, D])) for x in (k, v))
    g.output(g.MatMul(g.softmax(scores(g, q, k)), v))
    g.save("keys_expanded_over_the_batch", key_heads=H, heads=H)


def ranks():
    windows = 3
    for name, dims in [("rank5", (B, windows)), ("rank5_dynamic", ("b", "w"))]:
        g = Graph()
        q, k, v = qkv(g, (*dims, H, S, D))
        g.output(g.MatMul(g.softmax(scores(g, q, k, 5), 5), v))
        g.save(name, heads=H, lengths={"b": B, "w": windows})
    g = Graph()
    q, k, v = (g.Transpose(g.Reshape(x, g.constant([0, 0, 0, H, D])), perm=[0, 1, 3, 2, 4])
               for x in qkv(g, (B, windows, S, H * D)))
    mask = g.floats(random.normal(size=(1, windows, 1, S, S)))
    weights = g.softmax(g.Add(g.Add(scores(g, q, k, 5), mask), g.floats(random.normal(size=(H, S, S)))), 5)
    g.output(g.Reshape(g.Transpose(g.MatMul(weights, v), perm=[0, 1, 3, 2, 4]), g.constant([B, windows, S, H * D])))
    g.save("rank5_masked", heads=H)
    g = Graph()
    q, k, v = qkv(g, (S, D))
    g.output(g.MatMul(g.softmax(scores(g, q, k, 2), 2), v))
    g.save("rank2", heads=1)
    g = Graph()
    q, k, v = qkv(g, (S, B, H, D))
    q, k, v = (g.Transpose(x, perm=[1, 2, 0, 3]) for x in (q, k, v))
    g.output(g.Transpose(g.MatMul(g.softmax(scores(g, q, k)), v), perm=[2, 0, 1, 3]))
    g.save("sequence_first", heads=H)


def masks():
    windows = 3
    shape = (B * windows, H, S, D)
    for name, mask in [("swin", (1, windows, 1, S, S)), ("swin_heads", (1, windows, H, S, S)),
                       ("swin_all_batches", (B, windows, 1, S, S)), ("swin_shared", (1, 1, 1, S, S))]:
        g = Graph()
        q, k, v = qkv(g, shape)
        x = g.Add(scores(g, q, k), g.floats(random.normal(size=(1, H, S, S))))
        x = g.Add(g.Reshape(x, g.constant([B, windows, H, S, S])), g.floats(random.normal(size=mask)))
        x = g.Reshape(x, g.constant([-1, H, S, S]))
        g.output(g.MatMul(g.softmax(x), v))
        g.save(name, heads=H)
    # nn.MultiheadAttention of old: the mask meets scores of four axes, the products have three.
    g = Graph()
    q, k, v = (g.Transpose(g.Reshape(x, g.constant([S, B * H, D])), perm=[1, 0, 2]) for x in qkv(g, (S, B, H * D)))
    x = g.Reshape(scores(g, q, k, 3), g.constant([B, H, S, S]))
    keep = g.input("keep", (B, S), TensorProto.BOOL)
    x = g.Where(g.axes("Unsqueeze", keep, [1, 2]), x, g.floats(-np.inf))
    x = g.softmax(g.Reshape(x, g.constant([B * H, S, S])), 3)
    g.output(g.Reshape(g.Transpose(g.MatMul(x, v), perm=[1, 0, 2]), g.constant([S, B, H * D])))
    g.save("reshaped_for_a_key_mask", heads=H)
    # What is the same for all keys of a query changes no weight.
    g = Graph()
    q, k, v = qkv(g)
    x = scores(g, q, k)
    g.output(g.MatMul(g.softmax(g.Sub(x, g.ReduceMax(x, axes=[-1], keepdims=1))), v))
    g.save("less_the_maximum", heads=H)
    # As TensorFlow writes masks.
    g = Graph()
    q, k, v = qkv(g)
    hidden = g.Mul(g.Sub(g.floats(1), g.input("keep", (B, 1, 1, S))), g.floats(10000))
    g.output(g.MatMul(g.softmax(g.Sub(scores(g, q, k), hidden)), v))
    g.save("mask_subtracted", heads=H)


def factors():
    """What the scores are multiplied with and is no number: a head's, a query's, a run's."""
    def scaled(name, by, op="Mul", **more):
        g = Graph()
        q, k, v = qkv(g)
        x = getattr(g, op)(scores(g, q, k), by(g))
        g.output(g.MatMul(g.softmax(g.Add(x, g.input("bias", (B, 1, S, S)))), v))
        g.save(name, heads=H, **more)

    scaled("temperature_of_heads", lambda g: g.floats(random.normal(size=(1, H, 1, 1))))
    scaled("swin2_logit_scale", lambda g: g.Exp(g.Clip(
        g.floats(random.normal(size=(H, 1, 1))), g.floats(-3.), g.floats(np.log(100)))))
    scaled("temperature_of_queries", lambda g: g.input("tau", (B, H, S, 1)))
    scaled("scale_of_a_run", lambda g: g.input("scale", (1,)))
    scaled("divided_by_a_run", lambda g: g.Add(g.Abs(g.input("scale", ())), g.floats(1)), op="Div")


def written_out():
    """Softmaxes in primitives, as JAX, TensorFlow and people write them."""
    def written(name, output, **more):
        g = Graph(**more)
        q, k, v = qkv(g)
        g.output(output(g, scores(g, q, k), v))
        g.save(name, heads=H)

    def back(g, x, expand=False):
        x = g.Reshape(x, g.constant([B, H, S, 1]))
        return g.Identity(g.Expand(x, g.constant([B, H, S, S]))) if expand else x

    def largest(g, x, keep):
        return g.ReduceMax(x, axes=[-1], keepdims=keep)

    def total(g, x, keep):
        return g.ReduceSum(x, g.constant([3]), keepdims=keep)

    def jax(g, x, v, expand=True):
        e = g.Exp(g.Sub(x, back(g, largest(g, x, 0), expand)))
        return g.MatMul(g.Div(e, back(g, total(g, e, 0), expand)), v)

    written("written_out_and_expanded", jax)
    written("written_out_and_reshaped", lambda g, x, v: jax(g, x, v, False))
    written("written_out_and_unsqueezed", lambda g, x, v: (lambda e: g.MatMul(
        g.Div(e, g.Unsqueeze(total(g, e, 0), g.constant([-1]))), v))(g.Exp(x)))
    written("exp_of_log_softmax", lambda g, x, v: g.MatMul(g.Exp(g.LogSoftmax(x, axis=-1)), v))
    written("without_the_maximum", lambda g, x, v: (lambda e: g.MatMul(g.Div(e, total(g, e, 1)), v))(g.Exp(x)))
    written("times_the_reciprocal", lambda g, x, v: (lambda e: g.MatMul(
        g.Mul(e, g.Reciprocal(total(g, e, 1))), v))(g.Exp(x)))
    written("normalised_after", lambda g, x, v: (lambda e: g.Div(g.MatMul(e, v), total(g, e, 1)))(
        g.Exp(g.Sub(x, largest(g, x, 1)))))
    written("normalised_after_by_the_reciprocal", lambda g, x, v: (lambda e: g.Mul(
        g.Reciprocal(total(g, e, 1)), g.MatMul(e, v)))(g.Exp(g.Sub(x, largest(g, x, 1)))))
    written("log_sum_exp_reshaped", lambda g, x, v: g.MatMul(g.Exp(g.Sub(
        x, back(g, g.ReduceLogSumExp(x, axes=[-1], keepdims=0), True))), v))


def shared():
    # LightGlue: both images attend by one matrix of scores.
    g = Graph()
    q, k = g.input("q", (B, H, S, D)), g.input("k", (B, H, S + 1, D))
    x = g.Einsum(q, k, equation="bhid,bhjd->bhij")
    m = g.Einsum(g.softmax(x), g.input("w", (B, H, S + 1, D)), equation="bhij,bhjd->bhid")
    n = g.Einsum(g.softmax(g.Transpose(x, perm=[0, 1, 3, 2])), g.input("v", (B, H, S, D)), equation="bhji,bhid->bhjd")
    g.output(g.Concat(m, n, axis=2))
    g.save("scores_of_two", heads=H, sites=2)
    # DeBERTa: products in three dimensions, the softmax and what is added in four.
    g = Graph()
    q, k, v = (g.Reshape(g.Transpose(g.Reshape(x, g.constant([B, S, H, D])), perm=[0, 2, 1, 3]), g.constant(
        [B * H, S, D])) for x in qkv(g, (B, S, H * D)))
    x = g.Add(g.Reshape(scores(g, q, k, 3), g.constant([B, H, S, S])), g.input("bias", (1, H, S, S)))
    y = g.Reshape(g.MatMul(g.Reshape(g.softmax(x), g.constant([B * H, S, S])), v), g.constant([B, H, S, D]))
    g.output(g.Reshape(g.Transpose(y, perm=[0, 2, 1, 3]), g.constant([B, S, H * D])))
    g.save("reshaped_weights", heads=H)
    # Learned queries stand once for the whole batch.
    g = Graph()
    k, v = g.input("k", ("b", H, "s", D)), g.input("v", ("b", H, "s", D))
    g.output(g.MatMul(g.softmax(scores(g, g.floats(random.normal(size=(1, H, 5, D))), k)), v))
    g.save("learned_queries", heads=H, lengths={"b": B, "s": S})
    # SegFormer: keys of windows, pooled.
    g = Graph()
    x = g.input("x", (B, S, H * D))
    pooled = g.Reshape(x, g.constant([B, S // 2, 2, H * D]))
    pooled = g.ReduceMean(pooled, axes=[2], keepdims=0)
    weight = lambda: g.floats(random.normal(size=(H * D, H * D)) / 5)
    heads = lambda y, n: g.Transpose(g.Reshape(g.MatMul(y, weight()), g.constant([B, n, H, D])), perm=[0, 2, 1, 3])
    q, k, v = heads(x, S), heads(pooled, S // 2), heads(pooled, S // 2)
    g.output(g.MatMul(g.softmax(scores(g, q, k)), v))
    g.save("pooled_keys", heads=H)
    # Keys too.
    g = Graph()
    q, k, v = qkv(g, (B, H, S, D), (1, H, S, D))
    g.output(g.MatMul(g.softmax(scores(g, q, k)), v))
    g.save("keys_of_a_batch", heads=H)


def unknown():
    """Attention behind operators that no rule gives a shape for."""
    def behind(name, operator, runs=True, **more):
        g = Graph(**more)
        x = operator(g, g.input("x", ("b", "s", H * D)))
        q, k, v = (g.Transpose(g.Reshape(g.MatMul(x, g.floats(random.normal(size=(H * D, H * D)) / 5)), g.constant(
            [0, -1, H, D])), perm=[0, 2, 1, 3]) for _ in range(3))
        y = g.Transpose(g.MatMul(g.softmax(scores(g, q, k)), v), perm=[0, 2, 1, 3])
        g.output(g.Reshape(y, g.constant([0, -1, H * D])))
        g.save(name, heads=H, lengths={"b": B, "s": S}, **({} if runs else {"runs": False}))

    def packed(g, x):
        # 4 bits a weight, 16 to a block.
        g.domains["com.microsoft"] = 1
        blocks = -(-H * D // 16)
        weights = g.constant(random.integers(0, 255, (H * D, blocks, 8)), np.uint8)
        return g.MatMulNBits(x, weights, g.floats(random.uniform(size=H * D * blocks) / 20), domain="com.microsoft",
                             K=H * D, N=H * D, bits=4, block_size=16)

    def dynamic(g, x):
        g.domains["com.microsoft"] = 1
        return g.DynamicQuantizeMatMul(x, g.constant(random.integers(0, 255, (H * D, H * D)), np.uint8), g.floats(0.01),
                                       g.constant(np.uint8(128), np.uint8), domain="com.microsoft")

    def sixteen_bits(g, x):
        g.domains["com.microsoft"] = 1
        scale, zero = g.floats(1e-3), g.constant(np.uint16(30000), np.uint16)
        return g.DequantizeLinear(g.QuantizeLinear(x, scale, zero, domain="com.microsoft"), scale, zero,
                                  domain="com.microsoft")

    def recurrent(gates):
        def add(g, x):
            op = {3: "GRU", 4: "LSTM"}[gates]
            weights = [g.floats(random.normal(size=(1, gates * H * D, H * D)) / 5) for _ in range(2)]
            y = getattr(g, op)(g.Transpose(x, perm=[1, 0, 2]), *weights, hidden_size=H * D)
            return g.Transpose(g.Squeeze(y, g.constant([1])), perm=[1, 0, 2])
        return add

    behind("behind_matmul_of_bits", packed)
    behind("behind_dynamic_quantisation", dynamic)
    behind("behind_lstm", recurrent(4))
    behind("behind_gru", recurrent(3))
    behind("behind_a_transform", lambda g, x: g.Gather(
        g.DFT(g.Unsqueeze(x, g.constant([-1])), axis=1), g.constant(0), axis=-1))
    behind("behind_16_bits", sixteen_bits)
    behind("behind_a_grid", lambda g, x: g.Reshape(g.GridSample(
        g.Unsqueeze(x, g.constant([1])), g.Tanh(g.input("grid", ("b", "s", H * D, 2)))), g.constant([0, -1, H * D])))
    behind("behind_a_sequence", lambda g, x: g.SequenceAt(g.SequenceConstruct(g.Neg(x), x), g.constant(1)))
    behind("behind_an_optional", lambda g, x: g.OptionalGetElement(g.Optional(x)), opset=18)

    # Tokens looked up by ONNX Runtime's fused embedding.
    g = Graph()
    ids = g.Cast(g.Abs(g.Clip(g.input("x", ("b", "s")), g.floats(-6), g.floats(6))), to=TensorProto.INT32)
    table = lambda rows: g.floats(random.normal(size=(rows, H * D)))
    x = g.EmbedLayerNormalization(ids, "", table(8), table(S), "", g.floats(np.ones(H * D)), g.floats(np.zeros(H * D)),
                                  domain="com.microsoft", outputs=2)[0]
    q, k, v = (g.Transpose(g.Reshape(g.MatMul(x, g.floats(random.normal(size=(H * D, H * D)) / 5)), g.constant(
        [0, -1, H, D])), perm=[0, 2, 1, 3]) for _ in range(3))
    g.output(g.MatMul(g.softmax(scores(g, q, k)), v))
    g.save("behind_an_embedding", heads=H, lengths={"b": B, "s": S})

    # Fused operators that read three axes.
    g = Graph()
    x = g.SequenceAt(g.SequenceConstruct(g.input("x", ("b", "s", H * D))), g.constant(0))
    q, k, v = (g.MatMul(x, g.floats(random.normal(size=(H * D, H * D)) / 5)) for _ in range(3))
    g.domains["com.microsoft"] = 1
    g.output(g.MultiHeadAttention(q, k, v, domain="com.microsoft", num_heads=H))
    g.save("fused_behind_a_sequence", heads=H, lengths={"b": B, "s": S})


def cores():
    # Two chunks of queries on the same keys.
    g = Graph()
    q, k, v = qkv(g)
    parts = [g.MatMul(g.softmax(scores(g, g.slice(q, 2, a, b), k)), v) for a, b in [(0, 4), (4, S)]]
    g.output(g.Concat(*parts, axis=2))
    g.save("chunked_queries", heads=H, sites=2)
    # Each head by itself, in two dimensions and in three.
    for name, rank in [("heads_one_by_one", 3), ("heads_one_by_one_flat", 2)]:
        g = Graph()
        shape = (2, S, 3 * D) if rank == 3 else (S, 3 * D)
        q, k, v = qkv(g, shape)
        parts = []
        for head in range(3):
            a, b, c = (g.slice(x, rank - 1, head * D, head * D + D) for x in (q, k, v))
            parts.append(g.MatMul(g.softmax(scores(g, a, b, rank), rank), c))
        g.output(g.Concat(*parts, axis=rank - 1))
        g.save(name, heads=1, sites=3)
    # diffusers' SlicedAttnProcessor: slices of batch·heads are written into zeros.
    g = Graph()
    q, k, v = qkv(g, (B * H, S, D))
    y = g.ConstantOfShape(g.constant([B * H, S, D]))
    for a, b in [(0, 6), (6, 12)]:
        part = g.MatMul(g.softmax(scores(g, g.slice(q, 0, a, b), g.slice(k, 0, a, b), 3), 3), g.slice(v, 0, a, b))
        y = g.ScatterND(y, g.constant([[i] for i in range(a, b)]), part)
    g.output(y)
    g.save("slices_scattered", heads=1, sites=2)


def functions():
    # One body, called twice.
    body = [h.make_node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]), h.make_node("MatMul", ["q", "kt"], ["s"]),
            h.make_node("Softmax", ["s"], ["p"], axis=-1), h.make_node("MatMul", ["p", "v"], ["y"])]
    attention = h.make_function("local", "Attend", ["q", "k", "v"], ["y"], body, [h.make_opsetid("", 17)])
    g = Graph()
    q, k, v = qkv(g)
    g.output(g.Attend(g.Attend(q, k, v, domain="local"), k, v, domain="local"))
    g.save("function_called_twice", heads=H, sites=2, functions=[attention])


def opsets():
    for opset in [9, 10, 11, 12, 13, 14, 18, 20, 21, 22, 23, 24]:
        g = Graph(opset)
        x = g.input("x", (B, S, 3 * H * D))
        q, k, v = (g.Transpose(g.Reshape(g.slice(x, 2, i * H * D, (i + 1) * H * D), g.constant([B, S, H, D])),
                               perm=[0, 2, 1, 3]) for i in range(3))
        mask = g.input("keep", (B, S))
        mask = g.Mul(g.Sub(g.floats(1), g.axes("Unsqueeze", mask, [1, 2])), g.floats(-10000))
        weights = g.softmax(g.Add(scores(g, q, k), mask))
        g.output(g.Reshape(g.Transpose(g.MatMul(weights, v), perm=[0, 2, 1, 3]), g.constant([B, S, H * D])))
        g.save(f"opset{opset}", heads=H)


def microsoft():
    d = "com.microsoft"
    # ONNX Runtime's CPU provider runs neither of the packed forms; a model that takes them apart tells what they mean.
    def flat(g, packed, part):
        return g.Reshape(g.Gather(packed, g.constant(part), axis=3), g.constant([0, 0, H * D]))

    for name, parts in [("ms_packed_qkv", 3), ("ms_packed_kv", 2)]:
        for is_packed in (True, False):
            g = Graph()
            packed = g.input("packed", (B, S if parts == 3 else 7, H, parts, D))
            inputs = [packed] if parts == 3 else [g.input("q", (B, S, H * D)), packed]
            if not is_packed:
                inputs = inputs[:-1] + [flat(g, packed, i) for i in range(parts)]
            g.output(g.MultiHeadAttention(*inputs, domain=d, num_heads=H))
            g.save(name if is_packed else f"{name}_apart", heads=H, **({"same_as": f"{name}_apart"} if is_packed else {}))
    g = Graph()
    q, k, v = qkv(g, (B, S, H * D), (B, H, 7, D))
    g.output(g.MultiHeadAttention(q, k, v, domain=d, num_heads=H, scale=0.3))
    g.save("ms_keys_with_heads", heads=H)
    g = Graph()
    q, k, v = qkv(g, (B, S, H * D))
    mask, bias = g.input("mask", (B, S), TensorProto.INT32), g.input("bias", (1, H, S, S))
    g.output(g.MultiHeadAttention(q, k, v, "", mask, bias, domain=d, num_heads=H))
    # ONNX Runtime 1.17 reads memory that it has not written here.
    g.save("ms_masked", heads=H, since=18)
    g = Graph()
    q, k, v = qkv(g, (B, S, H * D))
    g.output(g.MultiHeadAttention(q, k, v, domain=d, num_heads=H, unidirectional=1))
    g.save("ms_unidirectional", heads=H, reason="causal")
    g = Graph()
    packed = g.input("packed", (B, S, (H + 4) * D))
    lengths, total = g.input("lengths", (B,), TensorProto.INT32), g.input("total", (), TensorProto.INT32)
    g.output(g.GroupQueryAttention(packed, "", "", "", "", lengths, total, domain=d, num_heads=H, kv_num_heads=2))
    g.save("ms_packed_group_query", reason="causal", runs=False)
    g = Graph()
    x, w = g.input("x", (B, S, D)), g.floats(random.normal(size=(D, 3 * D)))
    g.output(g.QAttention(x, w, domain=d, num_heads=2))
    g.save("ms_quantised", reason="quantised", runs=False)
    g = Graph()
    q, k, v = qkv(g, (B, 1, H * D))
    g.output(g.DecoderMaskedMultiHeadAttention(q, k, v, domain=d, num_heads=H))
    g.save("ms_decoder", reason="DecoderMaskedMultiHeadAttention", runs=False)


def refused():
    def kept(name, reason, weights, opset=17, **more):
        g = Graph(opset)
        q, k, v = qkv(g)
        g.output(g.MatMul(weights(g, q, k), v))
        g.save(name, reason=reason, **more)

    def sink(column):
        def weights(g, q, k):
            x = g.Concat(scores(g, q, k), column(g), axis=-1)
            return g.slice(g.softmax(x), 3, 0, S)
        return weights

    kept("softmax_plus_one", "attention sink", sink(lambda g: g.floats(np.zeros((B, H, S, 1)))))
    kept("learned_sink", "attention sink", sink(
        lambda g: g.Expand(g.floats(random.normal(size=(1, H, 1, 1))), g.constant([B, H, S, 1]))))

    def talking(before, after):
        def mix(g, x):
            weight = g.floats(random.normal(size=(H, H)))
            return g.Transpose(g.MatMul(g.Transpose(x, perm=[0, 2, 3, 1]), weight), perm=[0, 3, 1, 2])

        def weights(g, q, k):
            x = scores(g, q, k)
            x = g.softmax(mix(g, x) if before else x)
            return mix(g, x) if after else x
        return weights

    kept("talking_heads", "mixed", talking(True, True))
    kept("talking_heads_before", "mixed", talking(True, False))
    kept("talking_heads_after", "mixed", talking(False, True))
    kept("talking_heads_einsum", "mixed", lambda g, q, k: g.softmax(g.Einsum(
        scores(g, q, k), g.floats(random.normal(size=(H, H))), equation="bhij,hg->bgij")))
    kept("talking_heads_conv", "mixed", lambda g, q, k: g.softmax(g.Conv(
        scores(g, q, k), g.floats(random.normal(size=(H, H, 1, 1))))))
    kept("soft_cap", "soft cap", lambda g, q, k: g.softmax(g.Mul(
        g.Tanh(g.Div(scores(g, q, k), g.floats(20))), g.floats(20))))
    kept("scores_times_a_gate", "differs from key to key", lambda g, q, k: g.softmax(g.Mul(
        scores(g, q, k), g.input("gate", (B, 1, 1, S)))))
    kept("gate_around_a_mask", "a mask that is multiplied", lambda g, q, k: g.softmax(g.Mul(
        g.Add(scores(g, q, k), g.input("bias", (B, 1, S, S))), g.input("gate", (H, 1, 1)))))
    kept("scores_used_elsewhere", "scores are also used by ReduceMean", lambda g, q, k: (
        lambda x: (g.output(g.ReduceMean(x), "mean"), g.softmax(x))[1])(scores(g, q, k)))
    # The maximum of each query's column: another softmax.
    kept("sum_over_queries", "another axis than the keys", lambda g, q, k: (
        lambda e: g.Div(e, g.ReduceSum(e, g.constant([-2]), keepdims=1)))(g.Exp(scores(g, q, k))))
    kept("clipped", "clipped", lambda g, q, k: g.softmax(g.Clip(scores(g, q, k), g.floats(-5), g.floats(5))))
    kept("filled_with_zero", "puts 0.0 in the place of scores", lambda g, q, k: g.softmax(g.Where(
        g.input("keep", (B, 1, S, S), TensorProto.BOOL), scores(g, q, k), g.floats(0))))
    kept("mask_without_a_shape", "shape is not known", lambda g, q, k: g.softmax(g.Add(
        scores(g, q, k), g.input("anything", None))), runs=False)
    g = Graph()
    q, k, v = (g.input(name, (B, H, S, D), TensorProto.DOUBLE) for name in "qkv")
    g.output(g.MatMul(g.softmax(g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2]))), v))
    g.save("doubles", reason="computes in float64")
    g = Graph()
    q, k, v = qkv(g, (1, 2, S, 300))
    g.output(g.MatMul(g.softmax(scores(g, q, k)), v))
    g.save("wide_heads", reason="300 wide")
    g = Graph()
    q, k, v = (g.input(name, None) for name in "qkv")
    g.output(g.MatMul(g.softmax(g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2]))), v))
    g.save("no_shapes", reason="does not tell", runs=False)
    def fused(name, reason, opset, q, k, *more, runs=False, **attributes):
        g = Graph(opset)
        inputs = [g.input("q", q), g.input("k", k), g.input("v", k)]
        g.output(g.Attention(*inputs, *(x and g.input(*x) for x in more), **attributes))
        g.save(name, reason=reason, runs=runs)

    shape = ("b", "h", "s", "d")
    fused("heads_of_a_run", "told by a run alone", 23, shape, shape)
    fused("mask_of_fewer_columns", "5 columns for 7 keys", 23, (B, 2, 5, 8), (B, 2, 7, 8),
          ("keep", (5, 5), TensorProto.BOOL))
    fused("counts_of_keys", "nonpad_kv_seqlen", 24, (B, 2, 5, 8), (B, 2, 7, 8), "", "", "",
          ("n", (B,), TensorProto.INT64))
    # As ONNX Runtime's quantisation to QOperator writes it.
    g = Graph()
    scale, zero = g.floats(0.02), g.constant(np.uint8(128), np.uint8)
    q, k, v = (g.QuantizeLinear(x, scale, zero) for x in qkv(g))
    each = (scale, zero)
    x = g.QLinearMatMul(q, *each, g.Transpose(k, perm=[0, 1, 3, 2]), *each, *each)
    p = g.QLinearSoftmax(x, *each, g.floats(1 / 256), g.constant(np.uint8(0), np.uint8), domain="com.microsoft",
                         axis=-1, opset=17)
    y = g.QLinearMatMul(p, g.floats(1 / 256), g.constant(np.uint8(0), np.uint8), v, *each, *each)
    g.output(g.DequantizeLinear(y, *each))
    g.save("quantised_throughout", reason="products are quantised")
    kept("normalised_again", "divided by something", lambda g, q, k: (
        lambda p: g.Div(p, g.ReduceSum(p, g.constant([-1]), keepdims=1)))(g.softmax(scores(g, q, k))))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.onnx"):
        old.unlink()
    grouped(), ranks(), masks(), cores(), functions(), opsets(), microsoft(), refused()
    factors(), written_out(), shared(), unknown()
    (FOLDER / "forms.json").write_text(json.dumps(CASES, indent=1) + "\n")
