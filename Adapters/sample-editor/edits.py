"""The ten edits that the sample editor learns: videos [B, 3, F, H, W] in [-1, 1] to videos of the same shape."""
import torch
import torch.nn.functional as F

EDITS = ["sepia", "posterise", "hue-rotate", "blur", "edges", "mirror",
         "delay-2", "temporal-mean", "motion-recolour", "saliency-recolour"]


def _pad(x, r):  # replicate-pad the last two axes of [N,C,H,W]
    return F.pad(x, (r, r, r, r), mode="replicate")


def _frames(x):  # [B,C,F,H,W] -> [B*F,C,H,W]
    b, c, f, h, w = x.shape
    return x.permute(0, 2, 1, 3, 4).reshape(b * f, c, h, w)


def _video(x, b):
    n, c, h, w = x.shape
    return x.reshape(b, n // b, c, h, w).permute(0, 2, 1, 3, 4)


def luma(u):  # [B,3,F,H,W] in [0,1] -> [B,1,F,H,W]
    return 0.299 * u[:, 0:1] + 0.587 * u[:, 1:2] + 0.114 * u[:, 2:3]


def _edit(x, e):
    b, _, f, h, w = x.shape
    u = (x + 1) / 2
    if e == 0:  # sepia
        m = torch.tensor([[.393, .769, .189], [.349, .686, .168], [.272, .534, .131]], device=x.device)
        o = torch.einsum("ij,bjfhw->bifhw", m, u).clamp(0, 1)
    elif e == 1:  # posterise, 5 levels
        o = torch.round(u * 4) / 4
    elif e == 2:  # hue rotation by 120 degrees: (R,G,B) <- (G,B,R)
        o = u[:, [1, 2, 0]]
    elif e == 3:  # gaussian blur, sigma 3 px, radius 9, replicated border
        k = torch.exp(-torch.arange(-9, 10, device=x.device, dtype=torch.float32) ** 2 / 18)
        k = (k / k.sum())[None, None]
        y = _pad(_frames(u), 9)
        n, c, hh, ww = y.shape
        y = F.conv2d(y.reshape(n * c, 1, hh, ww), k[:, :, :, None])
        y = F.conv2d(y, k[:, :, None, :])
        o = _video(y.reshape(n, c, h, w), b)
    elif e == 4:  # edge drawing: Sobel of luma, dark lines on white
        y = _pad(_frames(luma(u)), 1)
        gx = torch.tensor([[-1., 0, 1], [-2, 0, 2], [-1, 0, 1]], device=x.device)[None, None] / 8
        m = torch.sqrt(F.conv2d(y, gx) ** 2 + F.conv2d(y, gx.transpose(2, 3)) ** 2 + 1e-6)
        o = _video(1 - (6 * m).clamp(0, 1), b).expand(b, 3, f, h, w)
    elif e == 5:  # mirror left-right
        o = u.flip(-1)
    elif e == 6:  # delay by 2 frames (first frame held)
        o = u[:, :, (torch.arange(f, device=x.device) - 2).clamp(min=0)]
    elif e == 7:  # mean of frames t-2..t+2 (indices clamped)
        i = torch.arange(f, device=x.device)
        o = sum(u[:, :, (i + j).clamp(0, f - 1)] for j in range(-2, 3)) / 5
    elif e == 8:  # where it moves, red-hot; elsewhere grey
        y = luma(u)
        d = (y[:, :, 1:] - y[:, :, :-1]).abs()
        d = torch.cat([d[:, :, :1], d], 2)
        d = _video(F.avg_pool2d(_pad(_frames(d), 8), 17, 1), b)
        m = (8 * d).clamp(0, 1)
        hot = torch.cat([0.3 + 0.7 * y, 0.35 * y, 0.1 * y], 1)
        o = (1 - m) * y + m * hot
    elif e == 9:  # keep colour that is far from the whole video's mean colour
        mu = u.mean((2, 3, 4), keepdim=True)
        d = torch.sqrt(((u - mu) ** 2).sum(1, keepdim=True) + 1e-6)
        m = torch.sigmoid(12 * (d - 0.3))
        o = m * u + (1 - m) * luma(u)
    return o * 2 - 1


def apply_edit(x, edits):
    """x [B,3,F,H,W] in [-1,1]; edits: list of ints."""
    o = torch.empty_like(x)
    for e in sorted(set(edits)):
        i = [j for j, v in enumerate(edits) if v == e]
        o[i] = _edit(x[i], e)
    return o
