"""Makes Tests/Fixtures/metrics.npz: two videos, PSNR and SSIM by frame and of the whole, computed by numpy in float64.

python3 make_metrics.py
SSIM by the definition, window position by window position (no separable filter).  Needs numpy.
"""
import pathlib

import numpy as np


def psnr(a, b):
    return 10 * np.log10(4 / np.mean((np.clip(a, -1, 1) - np.clip(b, -1, 1)) ** 2))


def ssim(a, b):
    g = np.exp(-((np.arange(11) - 5) / 1.5) ** 2 / 2)
    w = np.outer(g, g)
    w /= w.sum()
    total = []
    for y in range(a.shape[0] - 10):
        for x in range(a.shape[1] - 10):
            p, q = a[y:y + 11, x:x + 11], b[y:y + 11, x:x + 11]
            mp, mq = (w * p).sum(), (w * q).sum()
            vp, vq = (w * (p - mp) ** 2).sum(), (w * (q - mq) ** 2).sum()
            cov = (w * (p - mp) * (q - mq)).sum()
            c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
            total.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp ** 2 + mq ** 2 + c1) * (vp + vq + c2)))
    return np.mean(total)


def main():
    rng = np.random.default_rng(5)
    shape = (1, 3, 3, 16, 24)
    y, x = np.mgrid[0:16, 0:24]
    reference = (np.sin(x / 4 + np.arange(3)[:, None, None]) * np.cos(y / 5) + 0.2 * rng.standard_normal(shape))
    video = reference + np.array([0.02, 0.2, 0.07])[:, None, None] * rng.standard_normal(shape)
    reference, video = reference.astype(np.float32), video.astype(np.float32)
    a, b = (np.clip(v.astype(np.float64), -1, 1)[0] for v in (video, reference))
    np.savez(
        pathlib.Path(__file__).parent / "metrics.npz", video=video, reference=reference, psnr=psnr(a, b),
        frame_psnr=[psnr(a[:, f], b[:, f]) for f in range(3)],
        frame_ssim=[np.mean([ssim(a[c, f], b[c, f]) for c in range(3)]) for f in range(3)])


if __name__ == "__main__":
    main()
