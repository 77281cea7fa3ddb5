"""The operator library as Python's ONNX Runtime sees it: test_op_library.py LIBRARY.

Every function named test_… runs; one that is not for this version of ONNX Runtime is left out of the count.
"""
import ctypes
import os
import sys
import threading
import traceback

import numpy as np
from onnx import TensorProto, helper, numpy_helper
import onnxruntime as ort

import isa_oracle
from op_model import (EXACT, VERSION, Library, dense, fold, kinds, model, policies, policy, relative)

library = Library(sys.argv[1])
rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def exact(heads):
    return policies([EXACT] * heads)


def since(minor):
    """Only for ONNX Runtime 1.`minor` and newer."""
    def mark(test):
        test.since = minor
        return test
    return mark


def fails(call, *words):
    try:
        call()
    except Exception as error:  # each binding has classes of its own
        for word in words:
            assert word in str(error), f"{word!r} is not in {error}"
        return
    raise AssertionError("nothing failed")


def test_layouts_and_sizes():
    for layout in ("BHSD", "BSHD", "BSE"):
        for heads, kv, d, dv, sq, sk in ((2, 2, 32, 32, 70, 130), (6, 2, 16, 24, 65, 1), (1, 1, 1, 256, 3, 200),
                                         (3, 1, 256, 1, 129, 64), (4, 4, 40, 40, 1, 33)):
            q, k, v = normal(2, heads, sq, d), normal(2, kv, sk, d), normal(2, kv, sk, dv)
            feeds = {"query": fold(q, layout), "key": fold(k, layout), "value": fold(v, layout)}
            y = library.run(feeds, num_heads=heads, kv_num_heads=kv, layout=layout, policies=exact(heads))
            expected = fold(dense(q, k, v), layout)
            assert y.shape == expected.shape
            assert relative(y, expected) < 1e-5, (layout, heads, d)


def test_masked_keys():
    """What becomes of masked keys, sparse and exact, by the executable definition."""
    segments = [isa_oracle.Segment("target", 150), isa_oracle.Segment("context", 90)]
    table = np.array([[s.length, 0, 0, 0] for s in segments], np.int64)
    q, k, v = normal(2, 2, 240, 32), normal(2, 2, 240, 32), normal(2, 2, 240, 32)
    mask = np.stack([np.zeros(240, bool), rng.random(240) < 0.6])
    feeds = {"query": q, "key": k, "value": v, "key_mask": mask, "query_segments": table, "key_segments": table}
    names = ["target", "context"]
    for row, meant in ((EXACT, isa_oracle.Policy(exact=True)), (policy(), isa_oracle.Policy()),
                       (policy(rank=1, select=(2, 0.02)), isa_oracle.Policy(rank="gap", select=("threshold", 0.02))),
                       (policy(rank=2, select=(2, 0.02)), isa_oracle.Policy(rank="loss", select=("threshold", 0.02)))):
        for given, masked in (({}, {}), ({"empty_rows": "nan"}, {"empty": np.nan}), *(
                ({name: x}, {name: x}) for name, x in (("masked_score", -1e4), ("masked_score", 1.5),
                                                       ("masked_bias", -1e9), ("masked_bias", -100.0)))):
            y = library.run(feeds, num_heads=2, policies=policies([row] * 2), **kinds(names, names), **given)
            expected, _ = isa_oracle.attention(q, k, v, [meant] * 2, q_segments=segments, k_segments=segments,
                                               key_mask=mask, **masked)
            assert (np.isnan(y) == np.isnan(expected)).all(), (given, row)
            assert relative(np.nan_to_num(y), np.nan_to_num(expected)) < 1e-5, (given, row)


def test_masked_keys_are_told_once():
    feeds = {"query": normal(1, 1, 3, 8), "key": normal(1, 1, 5, 8), "value": normal(1, 1, 5, 8)}
    for given, word in (({"masked_score": -1.0, "masked_bias": -1.0}, "masked_score"),
                        ({"masked_score": float("nan")}, "masked_score"), ({"empty_rows": "mean"}, "empty_rows"),
                        ({"bias_scale": 0.0}, "bias_scale"), ({"replacing_bias": float("inf")}, "replacing_bias")):
        fails(lambda: library.run(feeds, num_heads=1, policies=exact(1), **given), word)


def test_layouts_of_their_own():
    q, k, v = normal(1, 2, 70, 16), normal(1, 2, 90, 16), normal(1, 2, 90, 8)
    feeds = {"query": fold(q, "BSHD"), "key": k, "value": fold(v, "BSE")}
    y = library.run(feeds, num_heads=2, layout="BSHD", key_layout="BHSD", value_layout="BSE", output_layout="BHSD",
                    policies=exact(2))
    assert relative(y, dense(q, k, v)) < 1e-5


def test_scale_mask_and_bias():
    q, k, v = normal(2, 2, 66, 16), normal(2, 2, 70, 16), normal(2, 2, 70, 16)
    base = {"query": q, "key": k, "value": v}
    common = dict(num_heads=2, policies=exact(2), scale=0.3)
    assert relative(library.run(base, **common), dense(q, k, v, 0.3)) < 1e-5
    mask = rng.random((2, 70)) < 0.5
    mask[1] = False                                                  # no keys at all: zeros
    y = library.run({**base, "key_mask": mask}, **common)
    assert relative(y, dense(q, k, v, 0.3, mask)) < 1e-5 and not y[1].any()
    y = library.run({**base, "key_mask": mask[:1]}, **common)
    assert relative(y, dense(q, k, v, 0.3, mask[:1])) < 1e-5
    for shape in ((2, 2, 66, 70), (2, 1, 1, 70), (1, 2, 66, 1), (66, 70), (1, 1, 70), ()):
        bias = normal(*shape)
        y = library.run({**base, "bias": bias, "key_mask": mask[:1]}, **common)
        assert relative(y, dense(q, k, v, 0.3, mask[:1], bias)) < 1e-5, shape


def test_no_tokens():
    for batch, queries, keys in ((1, 5, 0), (1, 0, 7), (0, 3, 7), (1, 0, 0)):
        feeds = {"query": normal(batch, 2, queries, 16), "key": normal(batch, 2, keys, 16),
                 "value": normal(batch, 2, keys, 8)}
        for p in (EXACT, policy()):
            y = library.run(feeds, num_heads=2, policies=policies([p, p]))
            assert y.shape == (batch, 2, queries, 8) and not y.any()


def test_onnx_runtimes_own_operators():
    q, k, v = normal(1, 3, 200, 64), normal(1, 3, 150, 64), normal(1, 3, 150, 64)
    nodes = [helper.make_node("MatMul", ["q", "kt"], ["s"]), helper.make_node("Mul", ["s", "c"], ["t"]),
             helper.make_node("Softmax", ["t"], ["p"], axis=-1), helper.make_node("MatMul", ["p", "v"], ["y"])]
    value = helper.make_tensor_value_info
    inputs = [value("q", 1, q.shape), value("kt", 1, (1, 3, 64, 150)), value("v", 1, v.shape)]
    graph = helper.make_graph(nodes, "g", inputs, [value("y", 1, None)],
                              [numpy_helper.from_array(np.float32(0.125), "c")])
    own = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    reference = ort.InferenceSession(own, providers=["CPUExecutionProvider"]).run(
        None, {"q": q, "kt": np.ascontiguousarray(k.transpose(0, 1, 3, 2)), "v": v})[0]
    y = library.run({"query": q, "key": k, "value": v}, num_heads=3, policies=exact(3))
    assert relative(y, reference) < 1e-5


def test_float16():
    q, k, v = (normal(1, 2, 70, 32).astype(np.float16) for _ in range(3))
    y = library.run({"query": q, "key": k, "value": v}, num_heads=2, policies=exact(2), element=TensorProto.FLOAT16)
    assert y.dtype == np.float16 and relative(y, dense(q, k, v)) < 1e-3
    bias = normal(70, 70).astype(np.float16)
    y = library.run({"query": q, "key": k, "value": v, "bias": bias}, num_heads=2, policies=exact(2),
                    element=TensorProto.FLOAT16)
    assert relative(y, dense(q, k, v, bias=bias.astype(np.float64))) < 1e-3


@since(22)
def test_bfloat16():
    def round_down(x):
        return (x.view(np.uint32) & 0xFFFF0000).view(np.float32)
    q, k, v = (round_down(normal(1, 2, 70, 32)) for _ in range(3))
    feeds = {"query": q, "key": k, "value": v}
    session = library.session(model(feeds, num_heads=2, policies=exact(2), element=TensorProto.BFLOAT16))
    binding = session.io_binding()
    halves = {n: ort.OrtValue.ortvalue_from_numpy_with_onnx_type((x.view(np.uint32) >> 16).astype(np.uint16), 16)
              for n, x in feeds.items()}
    for name, x in halves.items():
        binding.bind_ortvalue_input(name, x)
    out = ort.OrtValue.ortvalue_from_numpy_with_onnx_type(np.zeros(q.shape, np.uint16), 16)
    binding.bind_ortvalue_output("output", out)
    session.run_with_iobinding(binding)
    raw = (ctypes.c_uint16 * q.size).from_address(out.data_ptr())
    y = (np.array(raw, np.uint32) << 16).view(np.float32).reshape(q.shape)
    assert relative(y, dense(q, k, v)) < 8e-3


def test_bfloat16_loads():
    feeds = {n: np.zeros((1, 2, 8, 16), np.float32) for n in ("query", "key", "value")}
    session = library.session(model(feeds, num_heads=2, policies=exact(2), element=TensorProto.BFLOAT16))
    assert session.get_outputs()[0].type == "tensor(bfloat16)"


def test_full_density_is_exact():
    q, k, v = normal(1, 2, 300, 32), normal(1, 2, 300, 32), normal(1, 2, 300, 32)
    segments = np.array([[180, 5, 6, 6], [-1, 0, 0, 0]], np.int64)
    feeds = {"query": q, "key": k, "value": v, "query_segments": segments}
    for p in (policy(select=(0, 1.0)), policy(route=(0, 1.0)), policy(route=(1, 0.0)), policy(select=(1, 1.0)),
              policy(floor=1.0), policy(select=(2, 0.0), rank=1)):
        for tile in ({}, {"tile": [4, 4, 4]}):
            y, s = library.run(feeds, outputs=("output", "statistics"), num_heads=2, policies=policies([p, p]),
                               **kinds(["target", "context"]), **tile)
            assert relative(y, dense(q, k, v)) < 1e-5, p
            assert s.shape == (1, 2, 4) and np.allclose(s[..., 0], 1)


def test_policies_as_a_list():
    """What converters to float16 leave of the tensor is not what counts."""
    feeds = {name: 0.3 * normal(1, 2, 600, 16) for name in ("query", "key", "value")}
    sparse = policies([policy(select=(2, 8e-6), rank=1)] * 2)
    rows = [float(x) for x in sparse.ravel()]
    rounded = np.maximum(sparse.astype(np.float16), np.float16(1e-7)) * (sparse > 0)

    def run(**attributes):
        return library.run(feeds, outputs=("output", "statistics"), num_heads=2, **attributes)

    expected, statistics = run(policies=sparse)
    assert 0 < statistics[0, 0, 0] < 1
    for attributes in ({"policies": rounded.astype(np.float16)}, {"policies": exact(2)}, {}):
        y, s = run(policy_rows=rows, **attributes)
        assert np.array_equal(y, expected) and np.array_equal(s, statistics), attributes
    # A list holds as many points as it has rows.
    y, s = library.run({**feeds, "point": np.array([1], np.int64)}, outputs=("output", "statistics"), num_heads=2,
                       policy_rows=[float(x) for x in EXACT] * 2 + rows)
    assert np.array_equal(y, expected)
    fails(lambda: run(policies=rounded.astype(np.float16)), "blocks.0.attn", "policies", "float32",
          "convert the original")
    fails(lambda: run(policy_rows=rows[:-1]), "blocks.0.attn", "policy_rows", "19")
    fails(lambda: run(policy_rows=rows[:10]), "policy_rows", "2 heads")
    fails(lambda: run(policy_rows=rows[:12] + [5.0] + rows[13:]), "without meaning", "head 1")


def test_points():
    q = normal(1, 2, 512, 32)
    sparse = policy(select=(0, 0.125))
    feeds = {"query": q, "key": q, "value": q}
    common = dict(num_heads=2, policies=policies([EXACT] * 2, [sparse] * 2, [EXACT, sparse]),
                  outputs=("output", "statistics"))
    density = [library.run({**feeds, "point": np.array(p, np.int64)}, **common)[1][0, :, 0] for p in range(3)]
    assert np.allclose(density[0], 1) and np.allclose(density[1], 0.125) and np.allclose(density[2], [1, 0.125])
    assert np.allclose(library.run(feeds, **common)[1][0, :, 0], 1)  # without the input: the first
    one = library.run({**feeds, "point": np.array([1], np.int64)}, **common)[1]
    assert np.allclose(one[0, :, 0], 0.125)
    for bad in (3, -1, 2 ** 62):
        fails(lambda: library.run({**feeds, "point": np.array(bad, np.int64)}, **common), "blocks.0.attn", "point is")


def test_segments():
    q, k = normal(1, 2, 100, 16), normal(1, 2, 100, 16)
    feeds = {"query": q, "key": k, "value": k}
    sparse = policies([policy(context_keep=0.0, dropped=0, select=(0, 1.0))] * 2)

    def run(rows, side="key_segments", names=("target", "context"), **more):
        return library.run({**feeds, side: np.array(rows, np.int64).reshape(-1, 4)}, num_heads=2, policies=sparse,
                           **kinds(*([(), names] if side == "key_segments" else [names])), **more)

    # One of 64-key blocks of context is kept at least: the first of two is the first 36 keys' segment.
    both = run([[64, 0, 0, 0], [36, 0, 0, 0]])
    rest = run([[-1, 0, 0, 0], [36, 0, 0, 0]])
    assert np.array_equal(both, rest)
    assert np.array_equal(both, run([[64, 4, 4, 4], [36, 1, 6, 6]]))
    assert np.array_equal(both, run([[64, 0, 0, 0], [36, 0, 0, 0]], side="query_segments"))
    for rows, word in (([[64, 0, 0, 0], [35, 0, 0, 0]], "99"), ([[-1, 0, 0, 0], [-1, 0, 0, 0]], "rest"),
                       ([[64, 4, 4, 5], [36, 0, 0, 0]], "4x4x5"), ([[-2, 0, 0, 0], [102, 0, 0, 0]], "-2"),
                       ([[100, 0, 0, 0]], "kinds"), ([[200, 0, 0, 0], [-1, 0, 0, 0]], "200"),
                       ([[2 ** 62, 0, 0, 0], [2 ** 62, 0, 0, 0]], "length"),
                       ([[64, 2 ** 40, 2 ** 40, 2 ** 40], [36, 0, 0, 0]], "does not hold"),
                       ([[-1, 4, 4, 4], [36, 0, 0, 0]], "does not hold")):
        fails(lambda: run(rows), "blocks.0.attn", word)


@since(28)
def test_kinds_by_lists_alone():
    q = normal(1, 1, 256, 16)
    feeds = {"query": q, "key": q, "value": q, "key_segments": np.array([[128, 0, 0, 0], [128, 0, 0, 0]], np.int64)}
    common = dict(num_heads=1, policies=policies([policy(context_keep=0.01, dropped=0, select=(0, 1.0))]))
    lists = library.run(feeds, key_segment_kinds=["target", "context"], **common)
    assert np.array_equal(lists, library.run(feeds, **kinds((), ("target", "context")), **common))
    assert relative(lists, library.run(feeds, **common)) > 0.01


def test_cross_segments_need_both_sides():
    feeds = {"query": normal(1, 1, 10, 8), "key": normal(1, 1, 20, 8), "value": normal(1, 1, 20, 8),
             "key_segments": np.array([[20, 0, 0, 0]], np.int64)}
    fails(lambda: library.run(feeds, num_heads=1, policies=exact(1)), "query_segments is absent")


def oracle_policy(row):
    exact, keep, dropped, route, route_value, select, select_value, floor, rank, order = row
    return isa_oracle.Policy(
        exact=bool(exact), context_keep=keep, dropped_context=("drop", "average")[int(dropped)],
        route=(("share", "threshold")[int(route)], route_value),
        select=(("density", "coverage", "threshold")[int(select)], select_value), floor=floor,
        rank=("mass", "gap", "loss")[int(rank)], taylor=None if order < 0 else int(order))


def test_oracle():
    """Every word of a policy against the executable definition, which decides and computes in float64."""
    sides = [("text", 40, None), ("target", 6 * 9 * 7, (6, 9, 7)), ("context", 5 * 9 * 8, (5, 9, 8))]
    segments = [isa_oracle.Segment(*s) for s in sides]
    rows = np.array([[n, *(grid or (0, 0, 0))] for _, n, grid in sides], np.int64)
    names = [kind for kind, _, _ in sides]
    n = sum(s.length for s in segments)
    q, k, v = normal(2, 4, n, 32), normal(2, 2, n, 32), normal(2, 2, n, 24)
    k = (k + 0.7 * np.repeat(normal(2, 2, -(-n // 48), 32), 48, axis=2)[:, :, :n]).astype(np.float32)
    mask = np.arange(n)[None] % 11 != 3
    mask[:, 500:600] = False
    cases = [
        policy(), policy(select=(0, 0.3), taylor=2), policy(select=(1, 0.6), taylor=-1), policy(select=(2, 0.03)),
        policy(select=(2, 0.01), rank=1, floor=0.1), policy(rank=1, select=(0, 0.2), taylor=2),
        policy(context_keep=0.25, dropped=0), policy(context_keep=0.25, dropped=1, route=(0, 0.4)),
        policy(route=(1, 0.3), select=(0, 0.1)), EXACT, policy(select=(1, 0.9), rank=1),
        policy(rank=2, select=(0, 0.2)), policy(rank=2, select=(2, 0.02), context_keep=0.5),
        policy(rank=2, select=(1, 0.7), taylor=2), policy(rank=2, route=(0, 0.3), floor=0.2),
        policy(context_keep=0.125, dropped=0, route=(0, 0.5), select=(0, 0.0625))]
    shapes = ((64, 64, None, "shared", False), (64, 32, (4, 4, 4), "shared", True), (128, 64, (2, 8, 8), "boxes", False),
              (64, 64, (4, 4, 4), "boxes", True))
    for start in range(0, len(cases), 4):
        rows4 = cases[start:start + 4]
        for block_q, block_k, tile, edges, masked in shapes:
            feeds = {"query": q, "key": k, "value": v, "query_segments": rows}
            if masked:
                feeds["key_mask"] = mask
            y, s = library.run(feeds, outputs=("output", "statistics"), num_heads=4, kv_num_heads=2, block_q=block_q,
                               block_k=block_k, policies=policies(rows4), **kinds(names, names),
                               **({"tile": list(tile), "edges": edges} if tile else {}))
            expected, picks = isa_oracle.attention(
                q, k, v, [oracle_policy(r) for r in rows4], q_segments=segments, k_segments=segments, block_q=block_q,
                block_k=block_k, tile=tile, edges=edges, key_mask=mask if masked else None)
            statistics = np.array([[p.statistics for p in row] for row in picks])
            assert np.allclose(s[..., :3], statistics[..., :3], rtol=1e-5, atol=1e-6), (rows4, s, statistics)
            for h in range(4):
                assert relative(y[:, h], expected[:, h]) < 1e-5, (rows4[h], block_q, block_k, tile, edges, masked)
                if rows4[h][0] == 0:
                    assert np.allclose(s[:, h, 3], statistics[:, h, 3], rtol=1e-4)


def test_sparse_policy_with_bias():
    q = normal(1, 1, 64, 8)
    feeds = {"query": q, "key": q, "value": q, "bias": normal(64, 64)}
    fails(lambda: library.run(feeds, num_heads=1, policies=policies([policy()])), "blocks.0.attn", "bias")


def test_probe():
    q, k, v = normal(1, 2, 640, 32), normal(1, 2, 640, 32), normal(1, 2, 640, 32)
    feeds = {"query": q, "key": k, "value": v}
    grid = policies([EXACT] * 2, [policy(select=(0, 0.2))] * 2, [policy(select=(2, 0.01), rank=1), policy(taylor=2)])
    y, errors = library.run(feeds, op="AttentionProbe", outputs=("output", "errors"), num_heads=2, policies=grid)
    assert relative(y, dense(q, k, v)) < 1e-5
    assert errors.shape == (1, 2, 3, 3)
    for c in range(3):
        z, s = library.run(feeds, outputs=("output", "statistics"), num_heads=2, policies=grid[c:c + 1])
        square = ((z.astype(np.float64) - y) ** 2).sum((2, 3))
        norm = (y.astype(np.float64) ** 2).sum((2, 3))
        assert np.allclose(errors[:, :, c, 0], square, rtol=1e-3, atol=1e-6 * norm.max()), c
        assert np.allclose(errors[:, :, c, 1], norm, rtol=1e-4)
        assert np.allclose(errors[:, :, c, 2], s[..., 0], rtol=1e-5)
    part = library.run(feeds, op="AttentionProbe", outputs=("output", "errors"), num_heads=2, policies=grid,
                       sample=3)[1]
    rows = np.concatenate([np.arange(b * 64, b * 64 + 64) for b in range(0, 10, 3)])
    norm = (y[:, :, rows].astype(np.float64) ** 2).sum((2, 3))
    assert np.allclose(part[:, :, 1, 1], norm, rtol=1e-4)
    feeds["point"] = np.array(0, np.int64)
    fails(lambda: library.run(feeds, op="AttentionProbe", num_heads=2, policies=grid), "point")


def test_threads_do_not_matter():
    q, k, v = normal(1, 3, 1000, 64), normal(1, 3, 1000, 64), normal(1, 3, 1000, 64)
    feeds = {"query": q, "key": k, "value": v}
    data = model(feeds, num_heads=3, policies=policies([policy(rank=1), policy(select=(1, 0.5)), EXACT]))
    results = [library.session(data, threads).run(None, feeds)[0] for threads in (1, 2, 4)]
    assert all(np.array_equal(results[0], r) for r in results[1:])


def test_concurrent_runs():
    q = normal(1, 2, 200, 32)
    feeds = {"query": q, "key": q, "value": q}
    session = library.session(model(feeds, num_heads=2, policies=policies([policy(), EXACT])))
    first = session.run(None, feeds)[0]
    wrong = []

    def work():
        for _ in range(50):
            if not np.array_equal(session.run(None, feeds)[0], first):
                wrong.append(1)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_bad_attributes_name_the_site():
    q = normal(1, 2, 8, 16)
    feeds = {"query": q, "key": q, "value": q}
    good = dict(num_heads=2, policies=exact(2))
    row = list(EXACT)
    row[9] = 7
    for bad, word in ((dict(block_q=65), "block_q"), (dict(block_k=16), "block_k"), (dict(layout="XX"), "layout"),
                      (dict(key_layout="bhsd"), "key_layout"), (dict(num_heads=0), "num_heads"),
                      (dict(num_heads=-2), "num_heads"), (dict(kv_num_heads=3), "kv_num_heads"),
                      (dict(num_heads="two"), "num_heads"), (dict(scale=float("nan")), "scale"),
                      (dict(scale=2), "scale"),
                      (dict(tile=[4, 4]), "tile"), (dict(tile=[4, 0, 4]), "tile"), (dict(tile=4), "tile"),
                      (dict(compute="int8"), "compute"), (dict(policies=1.0), "policies"),
                      (dict(policies=exact(3)), "policies"), (dict(policies=exact(2)[0]), "policies"),
                      (dict(policies=exact(2)[:0]), "policies"),
                      (dict(policies=exact(2).astype(np.float64)), "policies"),
                      (dict(policies=policies([row] * 2)), "policies"),
                      (kinds(("target",), ("source",)), "source")):
        fails(lambda: library.session(model(feeds, **{**good, **bad})), "site 'blocks.0.attn'", word)
    fails(lambda: library.session(model(feeds, num_heads=2)), "blocks.0.attn", "policies")
    fails(lambda: library.session(model(feeds, policies=exact(2))), "blocks.0.attn", "num_heads")
    fails(lambda: library.session(model(feeds, op="AttentionProbe", sample=0, **good)), "blocks.0.attn", "sample")


def test_bad_shapes_name_the_site():
    q = normal(1, 2, 8, 16)
    good = {"query": q, "key": q, "value": q}
    free = {n: None for n in ("query", "key", "value", "key_mask", "bias", "query_segments", "key_segments")}
    for bad, word in ((dict(key=normal(1, 3, 8, 16)), "3 heads"), (dict(key=normal(2, 2, 8, 16)), "batches"),
                      (dict(key=normal(1, 2, 9, 16)), "tokens"), (dict(key=normal(1, 2, 8, 15)), "head size"),
                      (dict(query=normal(2, 8, 16)), "axes"), (dict(value=normal(1, 2, 8, 257)), "257"),
                      (dict(value=normal(1, 2, 8, 0)), "head size of 0"),
                      (dict(key_mask=np.ones((1, 7), bool)), "key_mask"), (dict(key_mask=np.ones(8, bool)), "key_mask"),
                      (dict(bias=normal(3, 8)), "bias"), (dict(bias=normal(1, 1, 1, 8, 8)), "bias"),
                      (dict(key_segments=np.zeros((1, 3), np.int64)), "key_segments")):
        fails(lambda: library.run({**good, **bad}, shapes=free, num_heads=2, policies=exact(2)), "blocks.0.attn", word)


def test_every_node_for_itself():
    """Two nodes with other kinds and no site of their own in one graph."""
    q = normal(1, 1, 256, 16)
    rows = [policy(context_keep=0.01, dropped=0, select=(0, 1.0))]
    common = dict(domain="isa", num_heads=1, policies=numpy_helper.from_array(policies(rows)))
    names = ["q", "q", "q", "", "", "s"]
    nodes = [helper.make_node("InContextSparseAttention", names, [name], name=name, **kinds(query), **common)
             for name, query in (("a", ("target", "context")), ("b", ("target", "target")))]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "g", [value("q", 1, q.shape), value("s", 7, (2, 4))],
                              [value("a", 1, None), value("b", 1, None)])
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("isa", 1)],
                             ir_version=8).SerializeToString()
    a, b = library.session(data).run(None, {"q": q, "s": np.array([[128, 0, 0, 0], [128, 0, 0, 0]], np.int64)})
    assert relative(b, dense(q, q, q)) < 1e-5 and relative(a, b) > 0.01


@since(24)
def test_output_shape_is_inferred():
    feeds = {"query": normal(1, 6, 8, 16), "key": normal(1, 2, 8, 16), "value": normal(1, 2, 8, 24),
             "key_segments": np.zeros((1, 4), np.int64)}
    shapes = {"query": ("B", 6, "S", 16), "key": ("B", 2, "K", 16), "value": ("B", 2, "K", 24)}
    common = dict(num_heads=6, kv_num_heads=2, policies=exact(6))
    for layout, expected in (("BHSD", ["B", 6, "S", 24]), ("BSHD", ["B", "S", 6, 24]), ("BSE", ["B", "S", 144])):
        for element in (TensorProto.FLOAT, TensorProto.FLOAT16):
            data = model(feeds, shapes=shapes, output_layout=layout, element=element, **common)
            assert library.session(data).get_outputs()[0].shape == expected
    for rank in ({n: None for n in ("query", "key", "value")}, {"query": (None, 6, None, 16)}):
        library.session(model(feeds, shapes={**shapes, **rank}, **common))


def test_no_swift_outside_the_library():
    library.run({n: normal(1, 1, 8, 8) for n in ("query", "key", "value")}, num_heads=1, policies=exact(1))
    with open("/proc/self/maps") as maps:
        mapped = maps.read()
    assert os.path.realpath(library.path) in mapped and "libswift" not in mapped and "Foundation" not in mapped


def check_too_old():
    fails(lambda: library.session(model({n: normal(1, 1, 8, 8) for n in ("query", "key", "value")}, num_heads=1,
                                        policies=exact(1))), "1.17 or newer", ort.__version__)


def main():
    if VERSION < (1, 17):
        tests = [check_too_old]
    else:
        tests = [f for n, f in globals().items()
                 if n.startswith("test_") and VERSION >= (1, getattr(f, "since", 0))]
    failed = 0
    for test in tests:
        try:
            test()
        except Exception:
            failed += 1
            print(f"FAIL {test.__name__} with ONNX Runtime {ort.__version__}")
            traceback.print_exc()
    print(f"ONNX Runtime {ort.__version__}:")
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
