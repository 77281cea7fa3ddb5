"""Renders the sample clips: scenes, textures and seeds that training never drew.

python3 render_clips.py [FOLDER]    # writes FOLDER/<name>.mp4 through ffmpeg
"""
import os
import subprocess
import sys

import numpy as np
import torch
import torch.nn.functional as F

from scenes import Scenes

# name: (seed of the scene, seed of the textures)
CLIPS = {"striped-balls": (509, 900), "rolling-balls": (530, 901)}
FRAMES, HEIGHT, WIDTH = 36, 160, 192
SKIPPED = 12  # first frames, in which balls are still coming in


def render(name, device="cpu"):
    """uint8 [F, H, W, 3], rendered at twice the size and averaged."""
    seed, textures_seed = CLIPS[name]
    scenes = Scenes(device, seed=seed, textures_seed=textures_seed, count=60, size=512)
    x = scenes.rendered(1, FRAMES, 2 * HEIGHT, 2 * WIDTH, balls=5)[0, SKIPPED:]
    x = F.avg_pool2d(x, 2)
    return (x * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def encode(frames, path):
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s",
                    f"{frames.shape[2]}x{frames.shape[1]}", "-r", "12", "-i", "-", "-c:v", "libx264", "-crf", "14",
                    "-pix_fmt", "yuv420p", path], input=np.ascontiguousarray(frames).tobytes(), check=True)


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    for clip in CLIPS:
        encode(render(clip), os.path.join(folder, clip + ".mp4"))
