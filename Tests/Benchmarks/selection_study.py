"""Which score to rank blocks by and how to cut a grid's edges, simulated on the trained editors: what decisions 0012 and
0013 rest on. Needs PyTorch; a GPU for the whole of it (4 minutes on an H200).

    python selection_study.py prepare STUDY.npz      # clips and weights of ../shared and of the sample editor, 33 MB
    python selection_study.py run STUDY.npz          # samples whole clips under every rule, prints the tables

A rule lists the pairs of blocks whose score reaches a quantile of all scores; the rest are one zeroth-order term each.
Shapes: G = cases × heads, n_q and n_k blocks of 64 places, D head size.
"""
import argparse
import importlib.util
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/Python"))
import isa_oracle

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CALIBRATION = ["wolf", "woman-running", "car-turn", "mallard-water"]
UNSEEN = ["dog-walking", "portrait"]
STEPS, TILE = 12, (4, 4, 4)
COST = 0.13
# Shares of the pairs of blocks to list, so that costs lie on both sides of COST.
SHARES = {"boxes": (0.08, 0.13), "shared": (0.08, 0.13), "smaller": (0.04, 0.09)}


def module(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


# ---------------------------------------------------------------- data

def decode(path, width):
    """uint8 [F, H, W, 3]; a clip that is narrower is enlarged."""
    size = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream=width,height", "-of",
                           "csv=p=0", str(path)], capture_output=True, text=True, check=True).stdout
    w, h = (int(x) for x in size.strip().split(",")[:2])
    scale = []
    if w < width:
        h = -(-h * width // w)
        w, h = width, h + h % 2
        scale = ["-vf", f"scale={w}:{h}"]
    data = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), *scale, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
                          capture_output=True, check=True).stdout
    return np.frombuffer(data, np.uint8).reshape(-1, h, w, 3)


def window(clip, frames, height, width):
    y, x = (clip.shape[1] - height) // 2, (clip.shape[2] - width) // 2
    return clip[:frames, y:y + height, x:x + width]


def prepare(path):
    import onnx
    shared, data = ROOT.parent / "shared", {}
    for name in CALIBRATION + UNSEEN:
        data[f"clip {name} 192"] = window(decode(shared / f"clips/{name}.mp4", 192), 16, 192, 192)
        data[f"clip {name} 208"] = window(decode(shared / f"clips/{name}.mp4", 208), 5, 128, 208)
    for name in ("rolling-balls", "striped-balls"):
        data[f"clip {name} 192"] = decode(ROOT / f"Adapters/sample-editor/{name}.mp4", 0)[:16]
    small = np.load(shared / "models/editor/small-parameters.npz")
    for which, file in (("shared", shared / "models/editor/editor.onnx"), ("sample", ROOT / "Adapters/sample-editor/editor.onnx")):
        graph = onnx.load(file).graph
        held = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
        if which == "shared":
            held.update({name: small[name] for name in small.files})
        # What the sample editor's export folded, or stored in half.
        held.update({name[:-5]: held[name] for name in list(held) if name.endswith(".half")})
        if which == "sample":
            held.update(segment=np.stack([held["select"], held["select_1"]]), edit=held["val_55.half"])
        for name in editor(which).state_dict():
            data[f"{which} {name}"] = held[name].astype(np.float16) if held[name].size > 4096 else held[name]
    np.savez_compressed(path, **data)


def editor(which, data=None):
    if which == "shared":
        # The same network with one head more; its weights are in ../shared.
        network = module(ROOT / "Adapters/sample-editor/model.py", "network").Editor(d=384, heads=3)
    else:
        network = module(ROOT / "Adapters/sample-editor/model.py", "network").Editor()
    if data is not None:
        with torch.no_grad():
            for name, parameter in network.state_dict().items():
                parameter.copy_(torch.from_numpy(np.array(data[f"{which} {name}"], np.float32)).reshape(parameter.shape))
    return network.eval().to(DEVICE).requires_grad_(False)


# ---------------------------------------------------------------- blocks

def runs(grid, edges):
    """A segment's token numbers, block by block."""
    if edges == "smaller":
        ids = np.arange(math.prod(grid)).reshape(grid)
        return [ids[box].ravel() for box in isa_oracle.boxes((0, 0, 0), grid, TILE)]
    return [run for _, run in isa_oracle.cut([isa_oracle.Segment("target", math.prod(grid), grid)], TILE, edges, 64)]


class Blocks:
    """Target then context, cut alike; `places` are the blocks × 64 places, of which `filled` hold a token."""

    def __init__(self, grid, edges):
        length = math.prod(grid)
        blocks = runs(grid, edges)
        blocks += [run + length for run in blocks]
        self.count, self.tokens = len(blocks), 2 * length
        places, filled = np.zeros((self.count, 64), np.int64), np.zeros((self.count, 64), bool)
        for i, run in enumerate(blocks):
            places[i, :len(run)], filled[i, :len(run)] = run, True
        back = np.zeros(self.tokens, np.int64)
        back[places[filled]] = np.flatnonzero(filled.ravel())
        self.places, self.filled, self.back = (torch.from_numpy(x).to(DEVICE) for x in (places, filled, back))
        self.weight = self.filled.float()
        self.sizes = self.weight.sum(1)
        self.log = self.sizes.log()

    def gather(self, x):
        """[G, N, D] → [G, blocks, 64, D], zeros where no token stands."""
        return x[:, self.places.reshape(-1)].reshape(x.shape[0], self.count, 64, -1) * self.weight[None, :, :, None]

    def mean(self, x):
        return x.sum(2) / self.sizes[None, :, None]

    def variance(self, x, mean):
        return ((x - mean[:, :, None]) * self.weight[None, :, :, None]).pow(2).sum(2) / self.sizes[None, :, None]


# ---------------------------------------------------------------- rules

def free_energy(variance, bound):
    return torch.where(variance <= 2 * bound, variance / 2, (2 * bound * variance).clamp(min=0).sqrt() - bound)


def variance_of(energy, bound):
    return torch.where(energy <= bound, 2 * energy, (energy + bound) ** 2 / (2 * bound).clamp(min=1e-9))


class Tables:
    """What is known of one attention call's blocks."""

    def __init__(self, q, k, v, blocks):
        self.blocks, self.scale = blocks, q.shape[-1] ** -0.5
        self.q, self.k, self.v = (blocks.gather(x) for x in (q, k, v))
        self.mean_q, self.mean_k, self.mean_v = (blocks.mean(x) for x in (self.q, self.k, self.v))
        groups, width = q.shape[0], q.shape[-1]
        z = (self.mean_q @ self.k.reshape(groups, -1, width).transpose(1, 2)) * self.scale
        apart = z.reshape(groups, blocks.count, blocks.count, 64) - (
            self.mean_q @ self.mean_k.transpose(1, 2) * self.scale)[..., None]
        self.half_variance = (apart.pow(2) * blocks.weight).sum(-1) / blocks.sizes / 2
        self.under = (apart.masked_fill(~blocks.filled, -math.inf).logsumexp(-1) - blocks.log).clamp(min=0)
        self.about = self.scale ** 2 * (
            blocks.variance(self.q, self.mean_q) @ blocks.variance(self.k, self.mean_k).transpose(1, 2))
        self.terms = (self.q.reshape(groups, -1, width) @ self.mean_k.transpose(1, 2)).reshape(
            groups, blocks.count, 64, blocks.count) * self.scale + blocks.log

    def mass(self, excess):
        weights = (self.terms + excess[:, :, None]).softmax(-1) * self.blocks.weight[None, :, :, None]
        return weights.sum(2) / self.blocks.sizes[None, :, None]

    def lost(self, excess):
        return self.mass(excess) * -torch.expm1(-excess)

    def score(self, rank):
        bound = self.blocks.log
        if rank == "unbounded gap":
            return self.lost(self.half_variance)
        if rank == "gap":
            return self.lost(torch.minimum(self.half_variance, bound))
        if rank == "no spread":
            return self.lost(self.under)
        if rank == "bounded spread":
            return self.lost(torch.minimum(self.under + self.about / 2, bound))
        excess = free_energy(variance_of(self.under, bound) + self.about, bound)
        if rank == "loss":
            return self.lost(excess)
        return self.mass(excess) * (-torch.expm1(-self.under) * -torch.expm1(-self.about / 2)).sqrt()     # gux

    def attend(self, listed):
        """[G, n_q, 64, D]: listed pairs token by token, a term for each other."""
        blocks, (groups, _, _, width) = self.blocks, self.q.shape
        keys, values = self.k.reshape(groups, -1, width).transpose(1, 2), self.v.reshape(groups, -1, width)
        terms = self.terms.masked_fill(listed[:, :, None], -math.inf)
        out = torch.empty_like(self.q)
        step = max(1, int(4e9 // (groups * 64 * blocks.count * 64 * 4)))
        for a in range(0, blocks.count, step):
            b = min(blocks.count, a + step)
            scores = (self.q[:, a:b].reshape(groups, -1, width) @ keys * self.scale).reshape(groups, b - a, 64, blocks.count, 64)
            scores = scores.masked_fill(~(listed[:, a:b, None, :, None] & blocks.filled), -math.inf).flatten(3)
            top = torch.maximum(scores.amax(-1, keepdim=True), terms[:, a:b].amax(-1, keepdim=True))
            p, c = (scores - top).exp_(), (terms[:, a:b] - top).exp()
            o = (p.flatten(1, 2) @ values + c.flatten(1, 2) @ self.mean_v).reshape(groups, b - a, 64, width)
            out[:, a:b] = o / (p.sum(-1, keepdim=True) + c.sum(-1, keepdim=True))
        return out


class Bench:
    """One grid: cases, their full-attention samples, and rules tried on them."""

    def __init__(self, which, data, names, edits, grid):
        self.network, self.grid, (f, h, w) = editor(which, data), grid, grid
        noise = module(ROOT / "Adapters/sample-editor/noise.py", "noise").noise
        self.cases = [(n, e) for n in names for e in edits]
        self.unseen = np.array([n in UNSEEN + ["striped-balls"] for n, _ in self.cases])
        wide = "208" if w * 8 > 192 else "192"
        videos = [window(data[f"clip {n} {wide}"], f, h * 8, w * 8) for n, _ in self.cases]
        source = np.stack([v.astype(np.float32) / 127.5 - 1 for v in videos]).transpose(0, 4, 1, 2, 3)
        self.source = torch.from_numpy(np.ascontiguousarray(source)).to(DEVICE)
        self.edits = torch.tensor([e for _, e in self.cases], device=DEVICE)
        self.noise = torch.from_numpy(noise((1, 3, f, h * 8, w * 8), 0)).to(DEVICE)
        self.full = self.sample(lambda step, q, k, v: self.dense(q, k, v))

    @staticmethod
    def dense(q, k, v):
        return torch.nn.functional.scaled_dot_product_attention(q[None], k[None], v[None])[0]

    @torch.no_grad()
    def sample(self, attention, cases=None):
        cases = np.arange(len(self.cases)) if cases is None else cases
        source, edits, calls = self.source[cases], self.edits[cases], [0]

        def call(q, k, v):
            step, flat = calls[0] // len(self.network.blocks), lambda x: x.flatten(0, 1)
            calls[0] += 1
            return attention(step, flat(q), flat(k), flat(v)).reshape(q.shape)

        for block in self.network.blocks:
            block.attn = call
        x = self.noise.expand(len(cases), -1, -1, -1, -1).contiguous()
        for step in range(STEPS):
            x = x - self.network(x, source, torch.full((len(cases),), 1 - step / STEPS, device=DEVICE), edits) / STEPS
        return x

    def thresholds(self, ranks, blocks):
        """Quantiles of every rank's scores over the calibration cases."""
        seen = {r: [] for r in ranks}

        def watch(step, q, k, v):
            if step in (0, 4, 8, 11):
                tables = Tables(q, k, v, blocks)
                for r in ranks:
                    seen[r].append(tables.score(r).flatten()[::7].cpu())
            return self.dense(q, k, v)

        self.sample(watch, np.flatnonzero(~self.unseen))
        return {r: torch.cat(x).sort().values for r, x in seen.items()}

    def measure(self, rank, threshold, blocks):
        """Cost by products, cost with whole units of 64 queries, PSNR of every case."""
        listed_share, unit_share = [], []

        def attention(step, q, k, v):
            tables = Tables(q, k, v, blocks)
            score = tables.score(rank)
            listed = (score >= threshold).scatter(-1, score.argmax(-1, keepdim=True), True)
            keys = (listed * blocks.sizes).sum(-1)
            listed_share.append(float((keys * blocks.sizes).sum(-1).mean()) / blocks.tokens ** 2)
            unit_share.append(float(keys.sum(-1).mean()) * 64 / blocks.tokens ** 2)
            return tables.attend(listed).flatten(1, 2)[:, blocks.back]

        x = self.sample(attention).clamp(-1, 1)
        error = (x - self.full.clamp(-1, 1)).pow(2).mean((1, 2, 3, 4)).double().cpu().numpy()
        density, terms = np.mean(listed_share), blocks.count / blocks.tokens
        fixed = terms * (0.5 + 0.5 * (1 - density))
        return (density + fixed + terms / 2, np.mean(unit_share) + fixed * blocks.count * 64 / blocks.tokens + terms / 2,
                10 * np.log10(4 / np.maximum(error, 1e-13)))

    def row(self, edges, rank, thresholds, blocks):
        """mean / worst dB at COST by products, and the mean at COST by whole units."""
        points = []
        for share in SHARES[edges]:
            threshold = float(thresholds[rank][int(len(thresholds[rank]) * (1 - share))])
            points.append(self.measure(rank, threshold, blocks))
        cost, units = (np.log([p[i] for p in points]) for i in (0, 1))

        def at(x, f):
            """On the line through both points, in (ln cost, dB); no figure far from them."""
            if not x[0] - 0.15 < math.log(COST) < x[1] + 0.15:
                return math.nan
            low, high = (f(p[2]) for p in points)
            return low + (high - low) * (math.log(COST) - x[0]) / (x[1] - x[0])

        print(f"| {'×'.join(map(str, self.grid))} | {edges} | {rank} | {blocks.count} | {at(cost, np.mean):.1f} / "
              f"{at(cost, np.min):.1f} | {at(units, np.mean):.1f} |", flush=True)


def run(path, tiny):
    data = dict(np.load(path))
    grids = [(5, 15, 26), (7, 22, 13), (7, 11, 20), (6, 16, 18), (9, 16, 16), (8, 14, 20)]
    plan = [("shared", CALIBRATION + UNSEEN, [5, 8], g) for g in grids] + [
        ("sample", ["rolling-balls", "striped-balls"], [5, 8, 4], g) for g in ((12, 16, 16), (9, 14, 18))] + [
        ("shared", ["wolf", "dog-walking"], [5, 8], (13, 15, 22))]
    if tiny:
        plan = [("shared", ["wolf", "dog-walking"], [5], (2, 5, 6)), ("sample", ["rolling-balls", "striped-balls"], [5], (2, 5, 5))]
    print(f"mean / worst PSNR in dB at a cost of {COST} of dense attention's products\n")
    print("| grid | edges | rank | blocks | by products | by units of 64 queries |\n|---|---|---|---|---|---|")
    start = time.monotonic()
    for which, names, edits, grid in plan:
        bench = Bench(which, data, names, edits, grid)
        for edges, ranks in (("boxes", ["loss", "gux", "gap", "no spread", "bounded spread"]), ("smaller", ["loss"]),
                             ("shared", ["loss", "unbounded gap"])):
            blocks = Blocks(grid, edges)
            thresholds = bench.thresholds(ranks, blocks)
            for rank in ranks:
                bench.row(edges, rank, thresholds, blocks)
    print(f"\n{time.monotonic() - start:.0f} s on {torch.cuda.get_device_name() if DEVICE == 'cuda' else 'the processor'}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("verb", choices=["prepare", "run"])
    arguments.add_argument("data", type=Path)
    arguments.add_argument("--tiny", action="store_true", help="two tiny grids, to try the script itself")
    given = arguments.parse_args()
    prepare(given.data) if given.verb == "prepare" else run(given.data, given.tiny)


if __name__ == "__main__":
    main()
