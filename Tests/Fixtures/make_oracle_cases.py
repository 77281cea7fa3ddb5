"""Writes oracle.json: small attentions as the operator's executable definition, Tests/Python/isa_oracle.py, decides and
computes them.

    python make_oracle_cases.py > oracle.json

Inputs are not stored: both sides draw them from the same integers (`normal` below, `Noise` in the tests).
"""
import json
import math
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Python"))
import isa_oracle as oracle

Segment, Policy = oracle.Segment, oracle.Policy
MASK = (1 << 64) - 1


class Noise:
    def __init__(self, seed):
        self.state = (seed * 0x9E3779B97F4A7C15 + 1) & MASK

    def uniform(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return ((z ^ (z >> 31)) >> 11) * 2.0 ** -53

    def sum(self):
        """Twelve uniforms less six: nearly normal, and the same bits everywhere."""
        return sum(self.uniform() for _ in range(12)) - 6


def rows(noise, n, d, amplitude):
    return np.array([[noise.sum() * amplitude for _ in range(d)] for _ in range(n)]).reshape(n, d)


VIDEO = [Segment("text", 13), Segment("target", 4 * 6 * 9, (4, 6, 9)), Segment("context", 3 * 5 * 11, (3, 5, 11))]
PLAIN = [Segment("target", 150), Segment("context", 130)]
ONLY_CONTEXT = [Segment("context", 200), Segment("text", 20)]
POLICIES = {
    "exact": Policy(exact=True),
    "paper": oracle.PAPER,
    "default": Policy(),
    "average": Policy(context_keep=0.4, select=("density", 0.3)),
    "drop": Policy(context_keep=0.5, dropped_context="drop", taylor=None),
    "coverage": Policy(select=("coverage", 0.5), floor=0.2),
    "gap": Policy(rank="gap", select=("density", 0.3)),
    "gap threshold": Policy(rank="gap", select=("threshold", 0.03), route=("threshold", 0.25)),
    "gap coverage": Policy(rank="gap", select=("coverage", 0.8), taylor=2, context_keep=0.5),
    "second": Policy(taylor=2, route=("share", 0.3)),
    "loss": Policy(rank="loss", select=("density", 0.3)),
    "loss threshold": Policy(rank="loss", select=("threshold", 0.03), context_keep=0.5),
    "loss coverage": Policy(rank="loss", select=("coverage", 0.8), taylor=2, floor=0.2),
}
SETTINGS = [
    dict(q=VIDEO, k=VIDEO, tile=(4, 4, 4)),
    dict(q=VIDEO, k=VIDEO, tile=(2, 4, 8), block_q=128, block_k=32, mask=0.6),
    dict(q=PLAIN, k=VIDEO, tile=None, block_k=32),
    dict(q=ONLY_CONTEXT, k=ONLY_CONTEXT, tile=None, mask=0.9),
    dict(q=VIDEO, k=VIDEO, tile=(4, 4, 4), edges="boxes"),
    dict(q=VIDEO, k=VIDEO, tile=(2, 4, 4), edges="boxes", block_q=128, block_k=32, mask=0.7),
    # Scores far apart, so that the bounds of `gap` and `loss` bind.
    dict(q=VIDEO, k=VIDEO, tile=(4, 4, 4), amplitude=12.0),
]


def bits(x):
    return "".join("1" if y else "0" for y in np.asarray(x).ravel())


cases = []
for s, setting in enumerate(SETTINGS):
    for p, (name, policy) in enumerate(POLICIES.items()):
        seed = 100 * s + p
        noise, d, dv = Noise(seed), 8, 5
        sq, sk = (sum(x.length for x in setting[side]) for side in "qk")
        q, k, v = rows(noise, sq, d, setting.get("amplitude", 2.0)), rows(noise, sk, d, 1.0), rows(noise, sk, dv, 1.0)
        mask = None
        if "mask" in setting:
            mask = np.array([noise.uniform() < setting["mask"] for _ in range(sk)])
        block_q, block_k = setting.get("block_q", 64), setting.get("block_k", 64)
        out, chosen = oracle.head(q, k, v, policy, q_segments=setting["q"], k_segments=setting["k"], scale=d ** -0.5,
                                  block_q=block_q, block_k=block_k, tile=setting["tile"],
                                  edges=setting.get("edges", "shared"), key_mask=mask)
        row = [float(policy.exact), policy.context_keep, float(policy.dropped_context == "average"),
               float(policy.route[0] == "threshold"), policy.route[1],
               float(["density", "coverage", "threshold"].index(policy.select[0])), policy.select[1], policy.floor,
               float(["mass", "gap", "loss"].index(policy.rank)), -1.0 if policy.taylor is None else float(policy.taylor)]
        cases.append(dict(
            name=f"{name} {s}", seed=seed, policy=row, blockQ=block_q, blockK=block_k, tile=setting["tile"],
            edges=setting.get("edges", "shared"),
            amplitude=setting.get("amplitude", 2.0), querySegments=[[x.kind, x.length, *(x.grid or (0, 0, 0))] for x in setting["q"]],
            keySegments=[[x.kind, x.length, *(x.grid or (0, 0, 0))] for x in setting["k"]],
            mask=None if mask is None else bits(mask), kept=bits(chosen.kept), averaged=bits(chosen.averaged),
            full=bits(chosen.full), exact=bits(chosen.exact), statistics=[round(float(x), 9) for x in chosen.statistics],
            rows=[[round(float(x), 12) for x in out[t]] for t in range(0, sq, 29)]))
        assert all(math.isfinite(x) for r in cases[-1]["rows"] for x in r)
print("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]")
