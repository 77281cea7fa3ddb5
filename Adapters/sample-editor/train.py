"""Trains the sample editor and writes OUT/editor.onnx, OUT/clips.npz and OUT/train.log. One GPU, minutes.

python3 train.py --out OUT --seconds 480
"""
import argparse
import copy
import math
import os
import time

import numpy as np
import torch

from edits import EDITS, apply_edit
from export import export
from model import Editor
from noise import noise
from render_clips import CLIPS, render
from scenes import Scenes

SHAPES = {"small": (8, 64, 64), "medium": (8, 128, 128), "large": (16, 128, 128)}
BATCHES = {"small": 48, "medium": 14, "large": 5}


@torch.no_grad()
def sample(model, source, edit, seed=0, steps=12):
    """Euler from t = 1 to 0; source [1, 3, F, H, W]."""
    x = torch.from_numpy(noise(tuple(source.shape), seed)).to(source.device)
    e = torch.tensor([edit], device=source.device)
    for k in range(steps):
        x = x - model(x, source, torch.tensor([1 - k / steps], device=source.device), e) / steps
    return x


def psnr(a, b):
    m = ((a.clamp(-1, 1) - b.clamp(-1, 1)) ** 2).mean().item()
    return 10 * math.log10(4.0 / max(m, 1e-12))


def train(model, scenes, seconds, lr, device, log):
    torch.backends.cuda.matmul.allow_tf32 = True
    params = list(model.parameters())
    matrices, rest = [p for p in params if p.ndim == 2], [p for p in params if p.ndim != 2]
    optimizer = torch.optim.AdamW([dict(params=matrices, weight_decay=0.01), dict(params=rest, weight_decay=0.0)],
                                  lr=lr, betas=(0.9, 0.97), fused=device == "cuda")
    average = [p.detach().clone() for p in params]
    if device == "cuda":
        import torch._dynamo as dynamo
        dynamo.config.recompile_limit = 64
        for block in model.blocks:
            block.forward = torch.compile(block.forward, dynamic=False)
    rng, start, step, bag = np.random.default_rng(11), time.time(), 0, []
    while (elapsed := time.time() - start) < seconds:
        progress = elapsed / seconds
        kind = "small" if progress < 0.12 else ("large" if rng.random() < 0.3 else "medium")
        n, (f, h, w) = BATCHES[kind], SHAPES[kind]
        if len(bag) < n:
            bag = bag + rng.permutation(np.arange(10 * len(EDITS)) % len(EDITS)).tolist()
        chosen, bag = bag[:n], bag[n:]
        source = scenes.batch(n, f, h, w)
        target = apply_edit(source, chosen)
        # t: half uniform, half logit-normal, 5 % pure noise
        t = np.where(rng.random(n) < 0.5, rng.uniform(0.03, 1, n), 1 / (1 + np.exp(-rng.normal(0.5, 1.2, n))))
        t = torch.from_numpy(np.where(rng.random(n) < 0.05, 1.0, t).astype(np.float32)).to(device)
        tb, eps = t.reshape(n, 1, 1, 1, 1), torch.randn_like(target)
        noisy = (1 - tb) * target + tb * eps
        decay = 1.0 if progress < 0.35 else 0.5 * (1 + math.cos(math.pi * (progress - 0.35) / 0.65)) * 0.98 + 0.02
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1.0, (step + 1) / 300) * decay
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            v = model(noisy, source, t, torch.tensor(chosen, device=device))
        loss = ((v - (eps - target)) ** 2).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        torch._foreach_lerp_(average, [p.detach() for p in params], 1 - min(0.999, (1 + step) / (10 + step)))
        step += 1
        if step % 250 == 0 or step in (1, 20):
            error = ((noisy - tb * v - target) ** 2).mean().item()
            log(f"step {step} {kind} {time.time() - start:.0f} s "
                f"loss {loss.item():.4f} x0 {10 * math.log10(4 / error):.1f} dB")
    with torch.no_grad():
        for p, q in zip(params, average):
            p.copy_(q.to(torch.float16).float())  # what the file holds
    for block in model.blocks:
        block.__dict__.pop("forward", None)
    log(f"trained {step} steps in {time.time() - start:.0f} s")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default="out")
    parser.add_argument("--seconds", type=float, default=480)
    parser.add_argument("--lr", type=float, default=1.2e-3)
    o = parser.parse_args()
    os.makedirs(o.out, exist_ok=True)
    file = open(f"{o.out}/train.log", "w")

    def log(text):
        print(text, flush=True)
        print(text, file=file, flush=True)
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    clips = {name: render(name, device) for name in CLIPS}
    np.savez_compressed(f"{o.out}/clips.npz", **clips)
    model = Editor().to(device)
    log(f"parameters {sum(p.numel() for p in model.parameters())}")
    train(model, Scenes(device), o.seconds, o.lr, device, log)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.save({k: v.half() for k, v in model.state_dict().items()}, f"{o.out}/weights.pt")
    export(copy.deepcopy(model).cpu(), f"{o.out}/editor.onnx")
    for name, frames in clips.items():
        video = torch.from_numpy(frames.astype(np.float32) / 127.5 - 1).permute(3, 0, 1, 2)[None].to(device)
        for f, h, w in ((8, 128, 128), (16, 128, 128)):
            y, x = (video.shape[3] - h) // 2, (video.shape[4] - w) // 2
            source = video[:, :, :f, y:y + h, x:x + w].contiguous()
            scores = [psnr(sample(model, source, e), apply_edit(source, [e])) for e in range(len(EDITS))]
            log(f"{name} {f}x{h}x{w}: " + " ".join(f"{n} {s:.2f}" for n, s in zip(EDITS, scores)))


if __name__ == "__main__":
    main()
