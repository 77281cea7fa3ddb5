"""Runs editor.onnx with ONNX Runtime on clips and prints, for every edit, the PSNR to the true edit.

python3 evaluate.py CLIP ... [--frames 16] [--size 128x128] [--edits 0,5] [--threads 2] [--sheet SHEET.png]
A clip is a file that ffmpeg decodes, or frames decoded before: .npy, uint8 [F, H, W, 3].
"""
import argparse
import os
import subprocess
import time

import numpy as np
import onnxruntime
import torch

from edits import EDITS, apply_edit
from noise import noise

STEPS, SEED = 12, 0
HERE = os.path.dirname(os.path.abspath(__file__))


def decode(path):
    """uint8 [F, H, W, 3]"""
    if path.endswith(".npy"):
        return np.load(path)
    size = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream=width,height",
                           "-of", "csv=p=0", path], capture_output=True, text=True, check=True).stdout
    w, h = [int(v) for v in size.strip().split(",")[:2]]
    data = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
                          capture_output=True, check=True).stdout
    return np.frombuffer(data, np.uint8).reshape(-1, h, w, 3)


def load(path, frames, height, width):
    """The first frames, centre crop, not scaled: float32 [1, 3, F, H, W] in [-1, 1]."""
    video = decode(path)
    y, x = (video.shape[1] - height) // 2, (video.shape[2] - width) // 2
    video = video[:frames, y:y + height, x:x + width]
    return np.ascontiguousarray((video.astype(np.float32) / np.float32(127.5) - 1).transpose(3, 0, 1, 2))[None]


def sample(session, source, edit):
    """Euler from t = 1 to 0: the edited video and the seconds of each step."""
    x, seconds = noise(source.shape, SEED), []
    for k in range(STEPS):
        start = time.perf_counter()
        v = session.run(None, dict(sample=x, source=source, timestep=np.array([1 - k / STEPS], np.float32),
                                   edit=np.array([edit], np.int64)))[0]
        seconds.append(time.perf_counter() - start)
        x = x - v / np.float32(STEPS)
    return x, seconds


def psnr(a, b):
    return 10 * np.log10(4 / np.mean((np.clip(a, -1, 1) - np.clip(b, -1, 1)).astype(np.float64) ** 2))


def picture(video):
    return ((np.clip(video[0, :, video.shape[2] // 2], -1, 1) + 1) * 127.5).astype(np.uint8).transpose(1, 2, 0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--onnx", default=os.path.join(HERE, "editor.onnx"))
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", default="128x128", help="WIDTHxHEIGHT")
    parser.add_argument("--edits", default=",".join(map(str, range(len(EDITS)))))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sheet", help="a PNG of source, true edit and sampled edit, one row for each clip and edit")
    o = parser.parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = o.threads
    session = onnxruntime.InferenceSession(o.onnx, options, providers=["CPUExecutionProvider"])
    width, height = (int(v) for v in o.size.split("x"))
    rows, seconds = [], []
    for clip in o.clips:
        source = load(clip, o.frames, height, width)
        for edit in (int(v) for v in o.edits.split(",")):
            truth = apply_edit(torch.from_numpy(source), [edit]).numpy()
            video, times = sample(session, source, edit)
            seconds += times[1:]
            rows.append(np.concatenate([picture(v) for v in (source, truth, video)], 1))
            print(f"{os.path.basename(clip)} {o.frames}x{height}x{width} {EDITS[edit]}: {psnr(video, truth):.2f} dB",
                  flush=True)
    print(f"{np.median(seconds):.2f} s a step (median), {o.threads} threads, ONNX Runtime {onnxruntime.__version__}")
    if o.sheet and o.sheet.endswith(".npy"):
        np.save(o.sheet, np.stack(rows))
    elif o.sheet:
        half = (len(rows) + 1) // 2
        rows += [np.zeros_like(rows[0])] * (2 * half - len(rows))
        sheet = np.concatenate([np.concatenate(rows[:half], 0), np.concatenate(rows[half:], 0)], 1)
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s",
                        f"{sheet.shape[1]}x{sheet.shape[0]}", "-i", "-", "-frames:v", "1", o.sheet],
                       input=sheet.tobytes(), check=True)


if __name__ == "__main__":
    main()
