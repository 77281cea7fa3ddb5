"""Small models of masked attention, in every form that a mask takes, with contents for their masks.

    fill × how it enters × guard behind the softmax × broadcast, at several opsets; combinations; fused operators' own

`forms()` makes them; Tests/CommandLine/masks.py compares each with its patched self, for every content.
"""
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto as T, helper as h, numpy_helper

B, H, SQ, SK, D = 2, 2, 5, 7, 8
LOWEST = float(np.finfo(np.float32).min)
FILLS = {"inf": -np.inf, "lowest": LOWEST, "-1e9": -1e9, "-65504": -65504.0, "-1e4": -1e4, "-100": -100.0}
BROADCASTS = {"keys": (B, 1, 1, SK), "rows": (1, 1, SQ, SK), "entry_rows": (B, 1, SQ, SK), "all": (B, H, SQ, SK),
              "one_entry": (1, 1, 1, SK), "whole_rows": (B, 1, SQ, 1)}
OPSETS = [11, 13, 17, 18, 20, 21]
# From this version of ONNX Runtime on, its fused operators add the mask after the bias, and so round otherwise.
MERGED = 31
# 1.17's MultiHeadAttention hides other keys where the lengths of queries and keys differ.
MULTI_HEAD = 22
NUMPY = {T.FLOAT: np.float32, T.FLOAT16: np.float16, T.BOOL: bool, T.INT32: np.int32, T.INT64: np.int64}


@dataclass
class Form:
    name: str
    model: bytes
    opset: int
    # Inputs by name: an array, or (shape, fill): a mask, drawn by content.
    inputs: dict
    # A clause of the reason why it may stay; else it has to be replaced.
    kept: str = ""
    tolerance: float = 1e-5
    # The first ONNX Runtime, by minor version, whose meaning of the operator is compared with.
    since: int = 0
    # The mask has to leave the site to sparse policies: it is the same for all heads and queries, and hides for good.
    sparse: bool = False


class Graph:
    """Nodes with outputs of their own, constants as initializers."""

    def __init__(self, opset=17, dtype=T.FLOAT):
        self.opset, self.dtype, self.domains = opset, dtype, {}
        self.nodes, self.initializers, self.inputs, self.contents = [], [], [], {}
        self.random = np.random.default_rng(11)

    def constant(self, values, dtype=None):
        name = f"c{len(self.initializers)}"
        array = np.array(values, dtype or np.float32)
        tensor = numpy_helper.from_array(array, name)
        if dtype is None and self.dtype != T.FLOAT:
            tensor = h.make_tensor(name, self.dtype, array.shape, array.astype(np.float32).ravel().tolist())
        self.initializers.append(tensor)
        return name

    def input(self, name, content, dtype=None, shape=None):
        """`content` is an array's shape with random numbers, or a mask (shape, how it is told)."""
        mask = isinstance(content, tuple) and len(content) == 2 and isinstance(content[0], tuple)
        own = shape or (content[0] if mask else content)
        self.contents[name] = content if mask else self.random.normal(size=content).astype(np.float32)
        self.inputs.append(h.make_tensor_value_info(name, dtype or self.dtype, own))
        return name

    def __getattr__(self, op):
        def add(*inputs, domain="", **attributes):
            name = f"{op}_{len(self.nodes)}"
            if domain:
                self.domains[domain] = 1
            self.nodes.append(h.make_node(op, inputs, [name], name=f"node_{len(self.nodes)}", domain=domain, **attributes))
            return name
        return add

    def form(self, name, y, **expected):
        self.nodes.append(h.make_node("Identity", [y], ["y"], name="to_y"))
        graph = h.make_graph(self.nodes, "masks", self.inputs, [h.make_empty_tensor_value_info("y")],
                             initializer=self.initializers)
        imports = [h.make_opsetid("", self.opset)] + [h.make_opsetid(d, v) for d, v in self.domains.items()]
        model = h.make_model(graph, opset_imports=imports, ir_version=7 if self.opset < 15 else 8 if self.opset < 21 else 10,
                             producer_name="fixtures")
        return Form(name, model.SerializeToString(), self.opset, self.contents, **expected)

    # Attention

    def qkv(self, b=(B, H), sizes=(SQ, SK, D)):
        sq, sk, d = sizes
        return self.input("q", (*b, sq, d)), self.input("k", (*b, sk, d)), self.input("v", (*b, sk, d))

    def scores(self, q, k, scale=0.35):
        rank = len(next(i.type.tensor_type.shape.dim for i in self.inputs if i.name == "q"))
        product = self.MatMul(q, self.Transpose(k, perm=[*range(rank - 2), rank - 1, rank - 2]))
        return self.Mul(product, self.constant(scale)) if scale else product

    def softmax(self, scores, rank=4):
        return self.Softmax(scores, axis=-1 if self.opset >= 13 else rank - 1)

    def guarded(self, weights, guard, hidden):
        zero = self.constant(0.0)
        if guard == "none":
            return weights
        if guard == "after":
            return self.Where(hidden, zero, weights)
        cleaned = self.Where(self.IsNaN(weights), zero, weights)
        if guard == "isnan":
            return cleaned
        for compare, number in (("Greater", 3e38), ("Less", -3e38)):
            if guard == "nan_to_num_torchscript":
                infinite = self.IsInf(self.Cast(cleaned, to=T.DOUBLE))
                side = self.Cast(getattr(self, compare)(cleaned, zero), to=T.BOOL)
                question = self.And(self.Cast(infinite, to=T.BOOL), side)
            else:
                question = self.And(getattr(self, compare)(weights, zero), self.IsInf(weights))
            cleaned = self.Where(question, self.constant(number), cleaned)
        return cleaned


def entered(g, scores, entry, fill, shape):
    """Scores with a mask, and the booleans that are true where it hides."""
    if entry == "float_input":
        return g.Add(scores, g.input("m", (shape, fill))), None
    keep = g.input("m", (shape, "keep"), T.BOOL)
    hidden = g.Not(keep)
    number, zero, one = g.constant(fill), g.constant(0.0), g.constant(1.0)
    if entry == "where":
        return g.Where(keep, scores, number), hidden
    if entry == "masked_fill":
        return g.Where(hidden, number, scores), hidden
    if entry == "add":
        return g.Add(scores, g.Where(keep, zero, number)), hidden
    # From here on no infinity: zero times it is no number.
    less = g.Sub(one, g.Cast(keep, to=g.dtype))
    if entry == "add_product":
        return g.Add(scores, g.Mul(less, number)), hidden
    if entry == "sub_product":
        return g.Sub(scores, g.Mul(less, g.constant(-fill))), hidden
    if entry == "add_inverted":
        return g.Add(scores, g.Where(g.Cast(less, to=T.BOOL), number, less)), hidden
    raise ValueError(entry)


ENTRIES = ["where", "masked_fill", "add", "float_input", "add_product", "sub_product", "add_inverted"]
GUARDS = ["none", "isnan", "nan_to_num_torchscript", "nan_to_num_dynamo", "after"]


def product():
    """Every fill by every way in, guard and broadcast; opsets in turn."""
    count = 0
    for fill_name, fill in FILLS.items():
        for entry in ENTRIES:
            if np.isinf(fill) and entry in ("add_product", "sub_product"):
                continue
            for guard in GUARDS:
                if guard == "after" and entry == "float_input":
                    continue
                for broadcast, shape in BROADCASTS.items():
                    g = Graph(OPSETS[count % len(OPSETS)])
                    count += 1
                    q, k, v = g.qkv()
                    masked, hidden = entered(g, g.scores(q, k), entry, fill, shape)
                    y = g.MatMul(g.guarded(g.softmax(masked), guard, hidden), v)
                    kept = "replaced after the softmax" if guard == "after" and fill > -9984 else ""
                    yield g.form(f"{entry} {fill_name} {guard} {broadcast}", y, kept=kept,
                                 sparse=broadcast in ("keys", "one_entry") and entry != "float_input" and fill <= -9984)


def larger():
    """More than one block of queries and keys."""
    for fill_name, fill in FILLS.items():
        for entry in ["where", "add", "float_input"]:
            for guard in ["none", "isnan"]:
                for broadcast, shape in (("keys", (B, 1, 1, 150)), ("rows", (B, 1, 70, 150))):
                    g = Graph(17)
                    q, k, v = g.qkv(sizes=(70, 150, 16))
                    masked, hidden = entered(g, g.scores(q, k), entry, fill, shape)
                    y = g.MatMul(g.guarded(g.softmax(masked), guard, hidden), v)
                    yield g.form(f"larger {entry} {fill_name} {guard} {broadcast}", y,
                                 sparse=broadcast == "keys" and entry != "float_input" and fill <= -9984)


def inside_the_scale():
    for factor in (0.125, 0.3, 2.0):
        for fill_name, fill in FILLS.items():
            for entry in ["where", "add"]:
                for broadcast in ("keys", "entry_rows"):
                    g = Graph(17)
                    q, k, v = g.qkv()
                    masked, _ = entered(g, g.scores(q, k, None), entry, fill, BROADCASTS[broadcast])
                    y = g.MatMul(g.softmax(g.Mul(masked, g.constant(factor))), v)
                    yield g.form(f"inside the scale {factor} {entry} {fill_name} {broadcast}", y)


def halves():
    for dtype, name in ((T.FLOAT16, "float16"),):
        for fill_name in ("inf", "-65504", "-1e4"):
            for entry in ["where", "add", "float_input"]:
                for guard in ("none", "isnan"):
                    for broadcast in ("keys", "entry_rows"):
                        g = Graph(17, dtype)
                        q, k, v = g.qkv()
                        masked, hidden = entered(g, g.scores(q, k), entry, FILLS[fill_name], BROADCASTS[broadcast])
                        y = g.MatMul(g.guarded(g.softmax(masked), guard, hidden), v)
                        yield g.form(f"{name} {entry} {fill_name} {guard} {broadcast}", y, tolerance=2e-3)
        # The softmax in float32, and with it masks whose numbers float16 does not hold.
        for fill_name in ("inf", "lowest", "-1e9", "-1e4"):
            for entry in ["where", "add", "float_input"]:
                for broadcast in ("keys", "entry_rows"):
                    g = Graph(17, dtype)
                    q, k, v = g.qkv()
                    scores = g.Cast(g.scores(q, k), to=T.FLOAT)
                    g.dtype = T.FLOAT
                    masked, hidden = entered(g, scores, entry, FILLS[fill_name], BROADCASTS[broadcast])
                    weights = g.Cast(g.softmax(masked), to=dtype)
                    yield g.form(f"{name} float32 softmax {entry} {fill_name} {broadcast}", g.MatMul(weights, v),
                                 tolerance=2e-3)


def combined():
    """More than one mask, and masks beside a bias."""
    def made(name, masks, **expected):
        g = Graph(17)
        q, k, v = g.qkv()
        scores = g.scores(q, k)
        for i, (entry, fill, broadcast) in enumerate(masks):
            number = g.constant(FILLS[fill]) if fill else None
            if entry == "bias":
                scores = g.Add(scores, g.constant(g.random.normal(size=(1, H, SQ, SK))))
                continue
            if entry == "bias_input":
                scores = g.Add(scores, g.input(f"m{i}", (BROADCASTS[broadcast], FILLS[fill])))
                continue
            keep = g.input(f"m{i}", (BROADCASTS[broadcast], "keep"), T.BOOL)
            scores = g.Where(keep, scores, number) if entry == "where" else g.Add(
                scores, g.Where(keep, g.constant(0.0), number))
        return g.form(name, g.MatMul(g.softmax(scores), v), **expected)

    two = "two numbers"
    after = "after others were replaced"
    unknown = "only a run knows"
    turn = "adds numbers in turn"
    for a, b in (("keys", "keys"), ("keys", "entry_rows"), ("entry_rows", "keys"), ("rows", "entry_rows")):
        for fill in ("inf", "lowest", "-1e4"):
            yield made(f"where and where {fill} {a} {b}", [("where", fill, a), ("where", fill, b)])
            yield made(f"add and add {fill} {a} {b}", [("add", fill, a), ("add", fill, b)],
                       kept=turn if fill == "-1e4" else "")
        yield made(f"where of two fills {a} {b}", [("where", "lowest", a), ("where", "-1e9", b)], kept=two)
        yield made(f"where infinite after finite {a} {b}", [("where", "-1e4", a), ("where", "inf", b)], kept=after)
        yield made(f"add after where {a} {b}", [("where", "-1e4", a), ("add", "-1e4", b)], kept=after)
        yield made(f"where infinite, then finite {a} {b}", [("where", "inf", a), ("where", "-1e4", b)])
    for fill in ("inf", "lowest", "-1e4"):
        for broadcast in ("keys", "entry_rows"):
            finite = fill != "inf"
            yield made(f"bias, where {fill} {broadcast}", [("bias", "", ""), ("where", fill, broadcast)])
            summed = turn if fill == "-1e4" and broadcast != "keys" else ""
            yield made(f"bias, add {fill} {broadcast}", [("bias", "", ""), ("add", fill, broadcast)], kept=summed)
            yield made(f"where {fill} {broadcast}, bias", [("where", fill, broadcast), ("bias", "", "")],
                       kept=after if finite else "")
            yield made(f"add {fill} {broadcast}, bias", [("add", fill, broadcast), ("bias", "", "")], kept=summed)
            for other in ("inf", "-1e9"):
                yield made(f"input {other}, where {fill} {broadcast}",
                           [("bias_input", other, "entry_rows"), ("where", fill, broadcast)],
                           kept=unknown if finite and broadcast == "entry_rows" else "")


def fused():
    numbers = {"": None, "-1e9": -1e9, "-100": -100.0, "lowest": LOWEST}
    for filter_name, number in numbers.items():
        own = {} if number is None else {"mask_filter_value": number}
        for kind, shape in (("positive", (B, SK)), ("lengths", (B,)), ("positive", (B, SQ, SK))):
            for biased in ("", "bias", "bias_with_infinity"):
                for heads in (False, True):
                    g = Graph(17)
                    q = g.input("q", (B, SQ, H * D))
                    k, v = (g.input(n, (B, H, SK, D) if heads else (B, SK, H * D)) for n in "kv")
                    inputs = [q, k, v, "", g.input("m", (shape, kind), T.INT32)]
                    if biased:
                        content = (1, H, SQ, SK) if biased == "bias" else ((B, 1, SQ, SK), -np.inf)
                        inputs.append(g.input("bias", content))
                    y = g.MultiHeadAttention(*inputs, domain="com.microsoft", num_heads=H, **own)
                    yield g.form(f"MultiHeadAttention {filter_name} {kind}{len(shape)} {biased} {heads}", y,
                                 kept="adds numbers in turn" if biased and len(shape) == 3 and not filter_name else "",
                                 since=MERGED if biased else MULTI_HEAD)
        for kind, shape in (("positive", (B, SK)), ("lengths", (B,)), ("ends_and_starts", (2 * B,)),
                            ("positive", (B, SK, SK)), ("packed", (3 * B + 2,))):
            for biased in (False, True):
                g = Graph(17)
                inputs = [g.input("x", (B, SK, H * D)), g.constant(g.random.normal(size=(H * D, 3 * H * D)) * 0.3),
                          g.constant(g.random.normal(size=3 * H * D)), g.input("m", (shape, kind), T.INT32)]
                if biased:
                    inputs += ["", g.constant(g.random.normal(size=(1, H, SK, SK)))]
                y = g.Attention(*inputs, domain="com.microsoft", num_heads=H, **own)
                yield g.form(f"Attention {filter_name} {kind}{len(shape)} {biased}", y,
                             kept="packed tokens" if kind == "packed" else
                             "adds numbers in turn" if biased and len(shape) == 3 and not filter_name else "",
                             since=MERGED if biased else 0)


def standard():
    for opset in (23, 24):
        for broadcast, shape in [*BROADCASTS.items(), ("plain", (SQ, SK)), ("heads", (H, SQ, SK))]:
            if broadcast == "whole_rows":
                continue
            for fill_name, fill in [("bool", None), *FILLS.items()]:
                for entry in ("input", "chosen"):
                    g = Graph(opset)
                    q, k, v = g.qkv()
                    if fill is None:
                        mask = g.input("m", (shape, "keep"), T.BOOL)
                        mask = mask if entry == "input" else g.Not(g.Not(mask))
                    elif entry == "input":
                        mask = g.input("m", (shape, fill))
                    else:
                        mask = g.Where(g.input("m", (shape, "keep"), T.BOOL), g.constant(0.0), g.constant(fill))
                    yield g.form(f"opset {opset} Attention {fill_name} {entry} {broadcast}", g.Attention(q, k, v, mask),
                                 since=31)


def merged():
    """Batch and heads as one axis."""
    for fill_name, fill in FILLS.items():
        for entry in ("where", "add", "float_input"):
            for name, shape in (("keys", (1, 1, SK)), ("all", (B * H, SQ, SK)), ("entries", (B * H, 1, SK))):
                g = Graph(17)
                x = [g.input(n, (B, s, H * D)) for n, s in (("q", SQ), ("k", SK), ("v", SK))]
                def split(value, length):
                    parts = g.Transpose(g.Reshape(value, g.constant([B, length, H, D], np.int64)), perm=[0, 2, 1, 3])
                    return g.Reshape(parts, g.constant([B * H, length, D], np.int64))
                q, k, v = (split(value, n) for value, n in zip(x, (SQ, SK, SK)))
                product = g.Mul(g.MatMul(q, g.Transpose(k, perm=[0, 2, 1])), g.constant(0.35))
                masked, _ = entered(g, product, entry, fill, shape)
                y = g.Reshape(g.MatMul(g.softmax(masked, 3), v), g.constant([B, H, SQ, D], np.int64))
                y = g.Reshape(g.Transpose(y, perm=[0, 2, 1, 3]), g.constant([B, SQ, H * D], np.int64))
                yield g.form(f"merged {entry} {fill_name} {name}", y)


def exports():
    """What PyTorch's exporters write, masks/make_mask_exports.py's."""
    for path in sorted((Path(__file__).parent / "masks").glob("*.onnx")):
        random = np.random.default_rng(11)
        inputs = {n: random.normal(size=(B, H, s, D)).astype(np.float32) for n, s in (("q", SQ), ("k", SK), ("v", SK))}
        opset = int("".join(c for c in path.stem.split(".")[-1] if c.isdigit()))
        yield Form(path.stem, path.read_bytes(), opset, inputs | {"m": ((B, 1, 1, SK), "keep")},
                   since=31 if opset >= 23 else 0)


def forms():
    for family in (product, larger, inside_the_scale, halves, combined, fused, standard, merged, exports):
        yield from family()


# Contents

CONTENTS = ["none", "partly", "row", "entry", "all"]


def kept_keys(shape, content, seed):
    """Booleans of a mask's shape: nothing hidden, a part, a whole row beside it, a whole batch entry, everything."""
    random = np.random.default_rng(seed)
    keep = random.random(shape) < 0.6
    keep[..., 0] |= ~keep.any(-1)
    if content == "none":
        keep[:] = True
    elif content == "row":
        keep[(-1,) * (len(shape) - 1)] = False
    elif content == "entry":
        keep[0] = False
    elif content == "all":
        keep[:] = False
    return keep


def feeds(form, content, seed=5):
    """Arrays for a form's inputs."""
    types = {i.name: i.type.tensor_type.elem_type for i in onnx.load_from_string(form.model).graph.input}
    result = {}
    for number, (name, given) in enumerate(form.inputs.items()):
        if not isinstance(given, tuple):
            result[name] = given.astype(NUMPY[types[name]])
            continue
        shape, told = given
        if told == "keep":
            array = kept_keys(shape, content, seed + number)
        elif told == "positive":
            keep = kept_keys(shape, content, seed + number)
            array = np.where(keep, 1 + np.arange(keep.size).reshape(shape) % 2, -(np.arange(keep.size).reshape(shape) % 2))
        elif told == "lengths":
            array = {"none": [SK, SK], "partly": [3, SK], "row": [0, 4], "entry": [0, SK], "all": [0, 0]}[content]
        elif told == "ends_and_starts":
            array = {"none": [SK, SK, 0, 0], "partly": [3, SK, 1, 2], "row": [3, 4, 5, 2], "entry": [0, SK, 0, 0],
                     "all": [2, 0, SK, 0]}[content]
        elif told == "packed":
            array = [3, 4, 0, 5, 10, 0, 7, 14]
        else:
            array = np.where(kept_keys(shape, content, seed + number), 0.0, told)
        result[name] = np.array(array).astype(NUMPY[types[name]])
    return result
