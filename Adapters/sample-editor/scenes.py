"""Training video, made on the fly and never filmed: rendered scenes and procedural layers: float32
[B, 3, F, H, W] in [-1, 1].

A rendered scene is a perspective view of a textured ground under a sky, with textured balls that bounce, cast soft
shadows and hide each other, seen by a moving camera. A layered scene is a textured plane that moves, with soft-edged
textured shapes that move over it.
"""
import math

import numpy as np
import torch
import torch.nn.functional as F


def textures(n, s, g):
    """uint8 [n, 3, s, s]: octave noise, gradients, stripes, checkers, dots."""
    out = []
    yy, xx = torch.meshgrid(torch.linspace(-1, 1, s), torch.linspace(-1, 1, s), indexing="ij")
    r = lambda *k: torch.rand(*k, generator=g)
    for i in range(n):
        c0, c1 = r(3, 1, 1), r(3, 1, 1)
        kind = i % 5
        if kind == 0:
            m, amp = torch.zeros(3 if i % 2 else 1, s, s), 1.0
            for o in (3 * 2 ** k for k in range(int(math.log2(s / 3)))):
                m = m + amp * F.interpolate(torch.randn(1, m.shape[0], o, o, generator=g), (s, s), mode="bicubic")[0]
                amp *= 0.4 + 0.35 * float(r(1))
            m = torch.sigmoid(2 * m)
        elif kind == 1:
            a = float(r(1)) * 6.3
            m = ((xx * math.cos(a) + yy * math.sin(a)) * 0.5 + 0.5)[None]
        elif kind == 2:
            a, q = float(r(1)) * 6.3, 5 + 30 * float(r(1))
            m = torch.sigmoid(6 * torch.sin(q * (xx * math.cos(a) + yy * math.sin(a))))[None]
        elif kind == 3:
            q = 4 + 16 * float(r(1))
            m = (torch.sign(torch.sin(q * xx + 1) * torch.sin(q * yy + 2)) * 0.5 + 0.5)[None]
        else:
            m = torch.zeros(1, s, s)
            for _ in range(14):
                cy, cx, rad = r(3).tolist()
                away = torch.hypot(yy - 2 * cy + 1, xx - 2 * cx + 1)
                m = torch.maximum(m, float(r(1)) * torch.sigmoid(60 * (0.05 + 0.3 * rad - away))[None])
        out.append(((c0 * m + c1 * (1 - m)) * 255).clamp(0, 255).to(torch.uint8))
    return torch.stack(out)


class Scenes:
    def __init__(self, device, seed=7, textures_seed=1, count=300, size=192):
        generator = torch.Generator().manual_seed(textures_seed)
        self.pool = textures(count, size, generator).to(device)
        self.device = device
        self.rng = np.random.default_rng(seed)

    def tensor(self, values):
        return torch.from_numpy(np.asarray(values, np.float32)).to(self.device)

    # ------------------------------------------------------------ rendered

    def lookup(self, index, u, v):
        """Texture `index` [n] at u, v [n, f, h, w] in texture units, mirrored at its edges: [n, f, 3, h, w]."""
        n, f, h, w = u.shape
        image = self.pool[index].float() / 255
        fold = lambda x: (torch.remainder(x + 1, 4) - 2).abs() - 1
        grid = torch.stack([fold(u), fold(v)], -1).reshape(n, f * h, w, 2)
        out = F.grid_sample(image, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
        return out.reshape(n, 3, f, h, w).transpose(1, 2)

    def rendered(self, n, f, h, w, balls=4, speed=1.0):
        """[n, f, 3, h, w] in [0, 1]."""
        r, T = self.rng, self.tensor
        ts = T(np.arange(f) - f / 2)[None] * speed
        # camera: height, place, yaw and pitch over time
        height = T(r.uniform(0.9, 2.2, (n, 1)))
        yaw = T(r.normal(size=(n, 1)) * 0.02) * ts + T(r.normal(size=(n, 1)) * 0.3)
        x0 = T(r.normal(size=(n, 1)) * 0.05) * ts + T(r.normal(size=(n, 1)))
        z0 = T(r.normal(size=(n, 1)) * 0.06) * ts + T(r.normal(size=(n, 1)))
        pitch = T(r.uniform(-0.30, -0.12, (n, 1)))
        focal = T(r.uniform(1.2, 1.9, (n, 1)))
        side = min(h, w)
        px = (torch.arange(w, device=self.device).float() + 0.5 - w / 2) / (side / 2)
        py = -(torch.arange(h, device=self.device).float() + 0.5 - h / 2) / (side / 2)
        b = lambda a: a[:, :, None, None]
        dx = (px[None, None, None, :] / b(focal)).expand(n, f, h, w)
        dy0 = (py[None, None, :, None] / b(focal)).expand(n, f, h, w)
        dy = dy0 * b(torch.cos(pitch)) + b(torch.sin(pitch))
        dz0 = -dy0 * b(torch.sin(pitch)) + b(torch.cos(pitch))
        cy, sy = b(torch.cos(yaw)), b(torch.sin(yaw))
        rx, rz = dx * cy + dz0 * sy, -dx * sy + dz0 * cy
        norm = torch.sqrt(rx * rx + dy * dy + rz * rz)
        rx, ry, rz = rx / norm, dy / norm, rz / norm
        ox, oy, oz = b(x0), b(height), b(z0)
        # light from above
        a = r.uniform(0, 2 * math.pi, n)
        lx, lz, ly = T(0.6 * np.cos(a))[:, None], T(0.6 * np.sin(a))[:, None], 0.8
        # balls: places before the camera, bouncing
        radius = T(r.uniform(0.25, 0.75, (n, balls)))
        moving = lambda start, rate: T(start)[:, :, None] + T(rate)[:, :, None] * ts[:, None]
        bx = moving(r.normal(size=(n, balls)) * 1.6, r.normal(size=(n, balls)) * 0.09)
        bz = moving(r.uniform(2.5, 6.5, (n, balls)), r.normal(size=(n, balls)) * 0.08)
        hop = T(r.uniform(0, 1.1, (n, balls)) * (r.random((n, balls)) < 0.6))[:, :, None]
        phase = moving(r.uniform(0, 6.3, (n, balls)), r.uniform(0.15, 0.4, (n, balls)))
        by = radius[:, :, None] + hop * torch.sin(phase).abs()
        spin = T(r.normal(size=(n, balls)) * 0.12)[:, :, None] * ts[:, None]
        # the sky, then the ground with shadows, then the balls, nearest last
        sky0, sky1 = T(r.uniform(0.3, 1.0, (n, 3))), T(r.uniform(0.2, 0.9, (n, 3)))
        mix = (ry * 2.2).clamp(0, 1)[:, :, None]
        color = sky0[:, None, :, None, None] * (1 - mix) + sky1[:, None, :, None, None] * mix
        down = (-ry).clamp(min=1e-3)
        t = oy / down
        gx, gz = ox + t * rx, oz + t * rz
        scale = T(r.uniform(0.25, 0.7, (n, 1)))
        kind = torch.from_numpy(r.integers(0, len(self.pool), n)).to(self.device)
        ground = self.lookup(kind, gx * b(scale), gz * b(scale))
        shade = torch.ones_like(gx)
        for k in range(balls):
            c = lambda a: a[:, k, :, None, None]
            wx, wy, wz = gx - c(bx), -c(by), gz - c(bz)
            along = wx * b(lx) + wy * ly + wz * b(lz)
            d2 = wx * wx + wy * wy + wz * wz - along * along
            edge = radius[:, k, None, None, None]
            shade = shade * (1 - 0.6 * torch.sigmoid((edge - torch.sqrt(d2.clamp(min=1e-6))) * 12 / edge))
        fog = torch.exp(-t / 14)[:, :, None]
        on = torch.sigmoid(-ry * 90)[:, :, None]
        color = color * (1 - on) + on * (ground * shade[:, :, None] * fog + sky0[:, None, :, None, None] * (1 - fog))
        depth = torch.full_like(rx, 1e9)
        skins = r.integers(0, len(self.pool), (n, balls))
        for k in range(balls):
            c = lambda a: a[:, k, :, None, None]
            e = radius[:, k, None, None, None]
            qx, qy, qz = c(bx) - ox, c(by) - oy, c(bz) - oz
            along = qx * rx + qy * ry + qz * rz
            d2 = (qx * qx + qy * qy + qz * qz - along * along).clamp(min=0)
            inside = torch.sigmoid((e - torch.sqrt(d2 + 1e-8)) * 70) * (along > 0)
            hit = along - torch.sqrt((e * e - d2).clamp(min=0))
            nx, ny, nz = (hit * rx - qx) / e, (hit * ry - qy) / e, (hit * rz - qz) / e
            u = torch.atan2(nx, nz) / math.pi * 1.5 + c(spin)
            skin = self.lookup(torch.from_numpy(skins[:, k]).to(self.device), u, ny)
            light = (nx * b(lx) + ny * ly + nz * b(lz)).clamp(min=0)
            glint = light.pow(24) * 0.5
            lit = skin * (0.35 + 0.75 * light)[:, :, None] + glint[:, :, None]
            front = (inside * (hit < depth))[:, :, None]
            color = color * (1 - front) + lit.clamp(0, 1) * front
            depth = torch.where(inside * (hit < depth) > 0.5, hit, depth)
        return color.clamp(0, 1)

    # ------------------------------------------------------------- layered

    def layer(self, n, f, h, w):
        """A texture that moves, turns and zooms: [n, f, 3, h, w] in [0, 1]."""
        r = self.rng
        index = np.repeat(r.integers(0, len(self.pool), n), f)
        theta = np.zeros((n, f, 6), np.float32)
        limit = 0.70 if w > h else 1.0
        ts = np.arange(f) - f / 2
        for i in range(n):
            moves = r.random() < 0.9
            s = 0.667 if r.random() < 0.35 else r.uniform(0.4, limit)
            zoom = r.normal() * 0.02 if moves else 0.0
            turn = r.normal() * 0.03 if moves and r.random() < 0.4 else 0.0
            v = r.normal(size=2) * 0.05 if moves else np.zeros(2)
            c = r.uniform(-1, 1, 2) * max(0.0, 1 - s)
            flip = -1.0 if r.random() < 0.5 else 1.0
            sc, a, aspect = s * np.exp(zoom * ts), turn * ts, w / h
            theta[i, :, 0], theta[i, :, 1] = flip * sc * aspect * np.cos(a), -sc * np.sin(a)
            theta[i, :, 3], theta[i, :, 4] = flip * sc * aspect * np.sin(a), sc * np.cos(a)
            theta[i, :, 2], theta[i, :, 5] = c[0] + v[0] * ts, c[1] + v[1] * ts
        x = self.pool[torch.from_numpy(index).to(self.device)].float() / 255
        grid = F.affine_grid(self.tensor(theta).reshape(-1, 2, 3), (n * f, 3, h, w), align_corners=False)
        x = F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
        return x.reshape(n, f, 3, h, w)

    def layered(self, n, f, h, w):
        r, T = self.rng, self.tensor
        x = self.layer(n, f, h, w)
        ts = torch.arange(f, device=self.device).float()[None] - f / 2
        for _ in range(2):
            chosen = np.nonzero(r.random(n) < 0.5)[0]
            m = len(chosen)
            if m == 0:
                continue
            y = self.layer(m, f, h, w)
            c, v = T(r.uniform(-0.8, 0.8, (m, 2))), T(r.normal(size=(m, 2)) * 0.09)
            radius, power = T(r.uniform(0.15, 0.55, (m, 2))), T(r.choice([2, 2, 8], m))
            cx = (c[:, :1] + v[:, :1] * ts)[:, :, None, None]
            cy = (c[:, 1:] + v[:, 1:] * ts)[:, :, None, None]
            gx = torch.linspace(-1, 1, w, device=self.device)[None, None, None, :]
            gy = torch.linspace(-1, 1, h, device=self.device)[None, None, :, None]
            p = power[:, None, None, None]
            q = ((gx - cx).abs() / radius[:, :1, None, None]) ** p + ((gy - cy).abs() / radius[:, 1:, None, None]) ** p
            mask = torch.sigmoid(30 * (1 - q.clamp(max=4)))[:, :, None]
            i = torch.from_numpy(chosen).to(self.device)
            x = x.index_put((i,), x[i] * (1 - mask) + y * mask)
        return x

    # ------------------------------------------------------------- batches

    def jitter(self, x):
        """Contrast, brightness and saturation of whole videos, sometimes other channels."""
        r, n = self.rng, len(x)
        T = lambda a: self.tensor(a).reshape(n, 1, -1, 1, 1)
        contrast = np.where(r.random(n) < 0.5, r.uniform(0.6, 1.3, n), 1.0)
        offset = np.where(r.random(n) < 0.5, r.normal(size=n) * 0.1, 0.0)
        saturation = np.where(r.random(n) < 0.5, r.uniform(0.3, 1.5, n), 1.0)
        y = 0.299 * x[:, :, 0:1] + 0.587 * x[:, :, 1:2] + 0.114 * x[:, :, 2:3]
        x = (y + (x - y) * T(saturation) - 0.5) * T(contrast) + 0.5 + T(offset)
        order = np.stack([r.permutation(3) if r.random() < 0.2 else np.arange(3) for _ in range(n)])
        order = torch.from_numpy(order).to(self.device)[:, None, :, None, None].expand(-1, x.shape[1], -1, *x.shape[3:])
        return x.gather(2, order).clamp(0, 1)

    def batch(self, n, f, h, w):
        """Half rendered, half layered: [n, 3, f, h, w] in [-1, 1]."""
        k = n // 2 + (n % 2 and self.rng.random() < 0.5)
        parts = [make(m, f, h, w) for make, m in ((self.rendered, k), (self.layered, n - k)) if m]
        x = torch.cat(parts)[torch.from_numpy(self.rng.permutation(n)).to(self.device)]
        return (self.jitter(x) * 2 - 1).transpose(1, 2).contiguous()
