"""Prints the demo's table from the documents that its commands wrote."""
import json
import sys
from pathlib import Path

folder = Path(sys.argv[1])
inspect, compare, bench = (json.loads((folder / f"{name}.json").read_text()) for name in ("inspect", "compare", "bench"))
case = compare["cases"][0]
seconds = {row["case"]: row for row in bench["rows"]}
rows = [
    ("sites replaced", f"{sum(s['replaced'] for s in inspect['sites'])} of {len(inspect['sites'])}"),
    ("executed density", f"{case['executed_density']:.3f}"),
    ("PSNR against full attention", f"{case['psnr']:.1f} dB (noise floor {compare['noise_floor_psnr']:.1f} dB)"),
    ("SSIM", f"{case['ssim']:.4f}"),
    ("attention, speed-up", f"{seconds['attention']['speedup']:.1f}x"),
    ("model step, speed-up", f"{compare['step_speedup']:.1f}x"),
]
width = max(len(name) for name, _ in rows)
print()
for name, value in rows:
    print(f"{name:<{width}}  {value}")
print(f"\nThe edited clip is {folder}/edited.mp4; {folder}/contact-sheet.png shows source, full attention and patched.")
