"""The sample editor's network: a rectified-flow transformer over target then source tokens (see README.md)."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

SIGMA_DATA = 0.5


class Lin(nn.Module):
    """y = x @ weight + bias, weight stored [in, out] (so ONNX keeps it as is)."""

    def __init__(self, i, o, gain=1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(i, o) * (gain / math.sqrt(i)))
        self.bias = nn.Parameter(torch.zeros(o))

    def forward(self, x):
        if torch.is_autocast_enabled():
            return F.linear(x, self.weight.t(), self.bias)
        return torch.matmul(x, self.weight) + self.bias


class RMS(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d))

    def forward(self, x):
        x = x.float()
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-6) * self.weight


def layer_norm(x):
    x = x.float()
    m = x.mean(-1, keepdim=True)
    c = x - m
    return c * torch.rsqrt((c * c).mean(-1, keepdim=True) + 1e-6)


def rope(x, cos, sin):  # x [B,h,N,d], cos/sin [N,d/2]; half-split pairs (i, i+d/2)
    n = x.shape[-1] // 2
    a, b = x[..., :n], x[..., n:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class Block(nn.Module):
    def __init__(self, d, heads, ratio, layers):
        super().__init__()
        self.heads = heads
        self.mod = nn.Parameter(torch.zeros(1, 6, d))
        with torch.no_grad():
            self.mod[:, 2] = 1.0
            self.mod[:, 5] = 1.0
        g = 1 / math.sqrt(2 * layers)
        self.q, self.k, self.v = Lin(d, d), Lin(d, d), Lin(d, d)
        self.o = Lin(d, d, g)
        self.qn, self.kn = RMS(d), RMS(d)
        self.fc1, self.fc2 = Lin(d, ratio * d), Lin(ratio * d, d, g)

    def attn(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v)

    def split(self, x):
        b, n, d = x.shape
        return x.reshape(b, n, self.heads, d // self.heads).transpose(1, 2)

    def forward(self, x, e, cos, sin):
        m = (self.mod + e).unsqueeze(2)  # [B,6,1,d]
        h = layer_norm(x) * (1 + m[:, 1]) + m[:, 0]
        v = self.split(self.v(h))
        q = rope(self.split(self.qn(self.q(h))), cos, sin).to(v.dtype)
        k = rope(self.split(self.kn(self.k(h))), cos, sin).to(v.dtype)
        a = self.attn(q, k, v).transpose(1, 2).reshape(x.shape)
        x = x + m[:, 2] * self.o(a)
        h = layer_norm(x) * (1 + m[:, 4]) + m[:, 3]
        return x + m[:, 5] * self.fc2(F.gelu(self.fc1(h), approximate="tanh"))


class Editor(nn.Module):
    P = 8          # patch side
    SPLIT = (16, 24, 24)  # RoPE pairs for t, h, w (head size 128)
    THETA = 100.0
    FREQS = (0.5, 1.0, 2.0, 4.0, 8.0)

    def __init__(self, d=256, heads=2, layers=6, ratio=3, c=192, edits=10):
        super().__init__()
        p = 3 * self.P * self.P
        self.d = d
        self.patch_target, self.patch_source = Lin(p, d), Lin(p, d)
        self.segment = nn.Parameter(torch.randn(2, d) * 0.02)
        self.coord = Lin(6 * len(self.FREQS), d, 0.3)
        self.time1, self.time2 = Lin(128, c), Lin(c, c)
        self.edit = nn.Parameter(torch.randn(edits, c))
        self.proj = Lin(c, 6 * d, 0.3)
        self.blocks = nn.ModuleList([Block(d, heads, ratio, layers) for _ in range(layers)])
        self.mod = nn.Parameter(torch.zeros(1, 2, d))
        self.proj_out = Lin(c, 2 * d, 0.1)
        self.head = Lin(d, p, 0.1)

    def patches(self, x):  # [B,3,F,H,W] -> [B, F*h*w, 3*P*P]
        b, c, f, hh, ww = x.shape
        p = self.P
        h, w = hh // p, ww // p
        x = x.reshape(b, c, f, h, p, w, p).permute(0, 2, 3, 5, 1, 4, 6)
        return x.reshape(b, f * h * w, c * p * p)

    def positions(self, f, h, w, dev):
        t = torch.arange(f, device=dev, dtype=torch.float32)[:, None, None].expand(f, h, w).reshape(-1)
        y = torch.arange(h, device=dev, dtype=torch.float32)[None, :, None].expand(f, h, w).reshape(-1)
        x = torch.arange(w, device=dev, dtype=torch.float32)[None, None, :].expand(f, h, w).reshape(-1)
        return t, y, x

    def tables(self, f, h, w, dev):
        pos = self.positions(f, h, w, dev)
        ang, feat = [], []
        for p, n, s in zip(pos, self.SPLIT, (f, h, w)):
            fr = torch.tensor([self.THETA ** (-i / n) for i in range(n)], device=dev, dtype=torch.float32)
            ang.append(p[:, None] * fr[None, :])
            u = (2 * p + 1) / s - 1
            om = torch.tensor([math.pi * q for q in self.FREQS], device=dev, dtype=torch.float32)
            a = u[:, None] * om[None, :]
            feat += [torch.sin(a), torch.cos(a)]
        ang = torch.cat(ang, -1)
        return torch.cos(ang), torch.sin(ang), torch.cat(feat, -1)

    def embed(self, timestep, edit):
        fr = torch.tensor([math.exp(-math.log(10000.0) * i / 64) for i in range(64)],
                          device=timestep.device, dtype=torch.float32)
        a = timestep.float()[:, None] * 1000.0 * fr[None, :]
        t = self.time2(F.silu(self.time1(torch.cat([torch.cos(a), torch.sin(a)], -1))))
        return F.silu(t.float() + self.edit[edit])

    def tokens(self, sample, source, feat):
        pos = self.coord(feat)[None]
        a = self.patch_target(self.patches(sample)) + pos + self.segment[0]
        b = self.patch_source(self.patches(source)) + pos + self.segment[1]
        return torch.cat([a, b], 1).float()

    def forward(self, sample, source, timestep, edit):
        b, _, f, hh, ww = sample.shape
        p = self.P
        h, w = hh // p, ww // p
        cos, sin, feat = self.tables(f, h, w, sample.device)
        cos, sin = torch.cat([cos, cos], 0), torch.cat([sin, sin], 0)
        e = self.embed(timestep, edit)
        m = self.proj(e).float().reshape(b, 6, self.d)
        x = self.tokens(sample, source, feat)
        for blk in self.blocks:
            x = blk(x, m, cos, sin)
        x = x[:, : f * h * w]
        mo = (self.mod + self.proj_out(e).float().reshape(b, 2, self.d)).unsqueeze(2)
        x = layer_norm(x) * (1 + mo[:, 1]) + mo[:, 0]
        o = self.head(x).float().reshape(b, f, h, w, 3, p, p).permute(0, 4, 1, 2, 5, 3, 6)
        o = o.reshape(b, 3, f, hh, ww)
        # preconditioned velocity: v = a(t) x_t - b(t) F
        t = timestep.float().reshape(b, 1, 1, 1, 1)
        s2 = SIGMA_DATA * SIGMA_DATA
        ss = (1 - t) * (1 - t) * s2 + t * t
        return (t - (1 - t) * s2) / ss * sample - SIGMA_DATA * torch.rsqrt(ss) * o
