"""Issue 8: patch, calibrate and run the editor of ../shared/models/editor. QUICK=1 leaves out what takes minutes."""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

from harness import OPS, QUICK, ROOT, SHARED, TOOL, Table, run

EDITOR = SHARED / "models/editor/editor.onnx"
CLIPS = SHARED / "clips"
CALIBRATION = ["wolf", "woman-running", "car-turn", "mallard-water"]
UNSEEN = ["dog-walking", "portrait"]


def clips(names):
    return [CLIPS / f"{n}.mp4" for n in names]


def noise(shape, seed):
    """The noise that the editor's README defines."""
    n = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + (np.arange(n, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    a = ((z >> np.uint64(32)).astype(np.float64) + 0.5) / 4294967296.0
    b = ((z & np.uint64(0xFFFFFFFF)).astype(np.float64) + 0.5) / 4294967296.0
    return (np.sqrt(-2 * np.log(a)) * np.cos(2 * np.pi * b)).astype(np.float32).reshape(shape)


def session(path, patched=False, threads=2):
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    if patched:
        options.register_custom_ops_library(str(OPS))
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def step_inputs(frames, height, width, edit=5):
    shape = (1, 3, frames, height, width)
    return dict(sample=noise(shape, 0), source=np.tanh(noise(shape, 1)), timestep=np.array([0.7], np.float32),
                edit=np.array([edit], np.int64))


def relative(a, b):
    return float(np.linalg.norm(a.astype(np.float64) - b) / np.linalg.norm(b.astype(np.float64)))


def inspect_row(table):
    sites = run("inspect", EDITOR, "--json").document["sites"]
    facts = {(s["kind"], s["heads"], s["head_size"], tuple(g["kind"] for g in s["segments"])) for s in sites}
    grids = {str(g["grid"]) for s in sites for g in s["segments"]}
    symbolic = all(isinstance(s["query_length"], str) for s in sites)
    good = len(sites) == 6 and facts == {("self", 3, 128, ("target", "context"))} and symbolic and "None" not in grids
    table.row("inspect", "6 self sites, 3 heads of 128, target and context with grids, symbolic",
              f"{len(sites)} sites, {sorted(facts)}, grids {sorted(grids)}, symbolic {symbolic}", good)


def exact_rows(table, folder):
    out = folder / "exact.onnx"
    patched = run("patch", EDITOR, "--mode", "exact", "-o", out)
    table.row("patch of the editor, cold", "< 2 s", f"{patched.seconds:.2f} s", patched.seconds < 2)
    original, exact = session(EDITOR), session(out, patched=True)
    for frames, height, width in [(8, 128, 128), (5, 64, 96)]:
        feed = step_inputs(frames, height, width)
        error = relative(exact.run(None, feed)[0], original.run(None, feed)[0])
        table.row(f"exact in Python's onnxruntime, {frames}x{height}x{width}", "≤ 1e-5 relative L2", f"{error:.1e}",
                  error <= 1e-5)
    for frames, size in [(8, "128x128"), (5, "96x64")]:
        document = run("compare", EDITOR, out, "--clips", *clips(["wolf"]), "--edit", 5, "--steps", 1, "--frames", frames,
                       "--size", size, "--json").document
        table.row(f"exact in our runner, {frames} frames of {size}", "≤ 1e-5 relative L2 after one step",
                  f"{document['step_error']:.1e}", document["step_error"] <= 1e-5)
    restored = folder / "restored.onnx"
    run("restore", out, "-o", restored)
    table.row("restore", "the original's bytes", "equal" if restored.read_bytes() == EDITOR.read_bytes() else "different",
              restored.read_bytes() == EDITOR.read_bytes())
    return out


def paper_rows(table, folder):
    out = folder / "paper.onnx"
    run("patch", EDITOR, "--mode", "paper", "-o", out)
    check = subprocess.run([sys.executable, str(ROOT / "Tests/Acceptance/paper_selection.py"), str(out), str(folder)],
                           capture_output=True, text=True)
    print(check.stderr, file=sys.stderr)
    fields = dict(line.split("=", 1) for line in check.stdout.split() if "=" in line)
    good = check.returncode == 0
    table.row("paper, same selection against the float64 oracle", "≤ 1e-5 relative L2",
              fields.get("error", check.stderr.strip()[-200:]), good and float(fields["error"]) <= 1e-5)
    table.row("paper, selections that differ", "near-ties only, < 1 % of the pairs",
              f"{fields.get('share', '?')} of the pairs, {fields.get('not_near_ties', '?')} not near-ties",
              good and float(fields["share"]) < 0.01 and int(fields["not_near_ties"]) == 0)


def parity_row(table):
    """The published code's runs, decision by decision; paper_selection.py has built the check."""
    check = subprocess.run([str(ROOT / ".build/release/selection-check"), "parity", str(SHARED / "parity")],
                           capture_output=True, text=True)
    print(check.stdout, check.stderr, file=sys.stderr)
    table.row("parity with the published code's runs, `authors` mode",
              "every decision the same but for float64's column and near-ties", f"exit {check.returncode}, table on stderr",
              check.returncode == 0)


def reference_row(table, folder):
    out = folder / "sample.npz"
    run("run", EDITOR, "--clip", CLIPS / "wolf.mp4", "--edit", 5, "--frames", 8, "--size", "128x128", "-o", out)
    x = np.load(out)["sample"]
    want = np.array([-0.46346158, -0.35865977, -0.28327787, -0.1967505])
    mean, first = abs(float(x.mean()) + 0.20530854), np.abs(x.reshape(-1)[:4] - want).max()
    table.row("run of the original, 8 frames of 128x128", "the reference sample within its rounding (1e-4)",
              f"mean off by {mean:.1e}, first values by {first:.1e}", mean < 1e-4 and first < 1e-4)


def worst(document):
    return min(c["psnr"] for c in document["cases"])


def calibrated_rows(table, folder):
    out = folder / "calibrated.onnx"
    document = run("calibrate", EDITOR, "--clips", *clips(CALIBRATION), "--edit", 5, "--edit", 8, "--target-psnr", 35,
                   "-o", out, "--json").document
    density = float(np.mean([c["executed_density"] for c in document["cases"]]))
    table.row("calibrate to 35 dB on four clips, edits 5 and 8", "worst ≥ 35 dB", f"{worst(document):.2f} dB",
              worst(document) >= 35)
    table.row("… executed density at 4,096 tokens", "≤ 0.10", f"{density:.4f}", density <= 0.10)
    seen = run("compare", EDITOR, out, "--clips", *clips(UNSEEN), "--edit", 5, "--edit", 8, "--json").document
    table.row("… dog-walking and portrait, unseen", "≥ 33 dB", f"{seen['worst_psnr']:.2f} dB", seen["worst_psnr"] >= 33)


def large_rows(table, folder):
    out, exact = folder / "large.onnx", folder / "exact.onnx"
    size = ["--frames", 16, "--size", "192x128"]
    document = run("calibrate", EDITOR, "--clips", *clips(["wolf", "woman-running"]), "--edit", 5, "--edit", 8,
                   "--target-psnr", 35, *size, "-o", out, "--json", timeout=7200).document
    table.row("calibrate to 35 dB at 12,288 tokens", "worst ≥ 35 dB", f"{worst(document):.2f} dB",
              worst(document) >= 35)
    seen = run("compare", EDITOR, out, "--clips", *clips(["dog-walking"]), "--edit", 5, "--edit", 8, *size, "--threads",
               2, "--json", timeout=7200).document
    table.row("… dog-walking, unseen", "≥ 33 dB", f"{seen['worst_psnr']:.2f} dB", seen["worst_psnr"] >= 33)
    table.row("… per step against ONNX Runtime on the original, 2 threads, interleaved", "≥ 4x",
              f"{seen['step_speedup']:.2f}x at density {np.mean([c['executed_density'] for c in seen['cases']]):.3f}",
              seen["step_speedup"] >= 4)
    alone = run("compare", EDITOR, exact, "--clips", *clips(["dog-walking"]), "--edit", 5, "--steps", 2, *size,
                "--threads", 2, "--json").document
    table.row("… the exact file's speed beside it", "printed", f"{alone['step_speedup']:.2f}x", True)


def memory_row(table, folder):
    size = ["--frames", 16, "--size", "192x128", "--steps", 1, "--edit", 5, "--clip", CLIPS / "wolf.mp4"]
    original = run("run", EDITOR, *size, "-o", folder / "a.npz").peak_mib
    patched = run("run", folder / "exact.onnx", *size, "-o", folder / "b.npz").peak_mib
    table.row("peak memory of a patched step, 12,288 tokens", "below the original's",
              f"{patched:.0f} MiB against {original:.0f} MiB", patched < original)


def bad_input_rows(table, folder):
    """Each with its message and code, and nothing left behind."""
    exact = folder / "exact.onnx"
    work = folder / "bad"
    work.mkdir()
    (work / "text.onnx").write_text("not a model")
    (work / "cut.onnx").write_bytes(EDITOR.read_bytes()[:1_000_000])
    import onnx
    model = onnx.load(EDITOR)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../outside.bin"
    (work / "external.onnx").write_bytes(model.SerializeToString())
    (work / "noise.mp4").write_bytes(os.urandom(4096))
    (work / "profile.json").write_text(
        '{"schema": "isa-patch/profile/1", "model_hash": "00"}')
    clip = ["--clip", CLIPS / "wolf.mp4", "--edit", 5]
    empty = {"ISA_OP_LIBRARY": str(work / "none.so")}
    cases = [
        ("no such file", ["patch", work / "missing.onnx"], 66, {}),
        ("not ONNX", ["patch", work / "text.onnx"], 65, {}),
        ("truncated", ["patch", work / "cut.onnx"], 65, {}),
        ("external data outside the folder", ["patch", work / "external.onnx"], 65, {}),
        ("segments that do not add up", ["patch", EDITOR, "--segments", "target=5:1x1x5,context=7", "-o", work / "s.onnx"],
         (64, 65), {}),
        ("a profile of another model", ["patch", EDITOR, "--profile", work / "other.json", "-o", work / "p.onnx"], 78, {}),
        ("a clip that does not decode", ["run", EDITOR, "--clip", work / "noise.mp4", "--edit", 5, "-o", work / "n.mp4"],
         65, {}),
        ("a missing op library", ["run", exact, *clip, "-o", work / "o.mp4"], 69, empty),
        ("ONNX Runtime missing", ["run", exact, *clip, "-o", work / "o.mp4"], 69,
         {"ISA_ORT_LIBRARY": str(work / "none.so")}),
        ("an output that cannot be written", ["patch", EDITOR, "-o", "/proc/none/out.onnx"], 73, {}),
    ]
    # A profile of this model, from a calibration of seconds, with other hashes in it.
    run("calibrate", EDITOR, "--clips", *clips(["wolf"]), "--edit", 5, "--steps", 2, "--frames", 4, "--size", "64x64",
        "--target-psnr", 30, "-o", folder / "small.onnx")
    text = (folder / "small.isa.json").read_text()
    (work / "other.json").write_text(re.sub(r'"(model|graph)_hash" : "[0-9a-f]+"', r'"\1_hash" : "%s"' % ("0" * 64), text))
    for name, arguments, code, environment in cases:
        before = sorted(os.listdir(work))
        result = run(*arguments, check=False, env=environment)
        left = sorted(set(os.listdir(work)) - set(before))
        lines = [x for x in result.err.strip().splitlines() if x]
        codes = code if isinstance(code, tuple) else (code,)
        table.row(name, f"exit {' or '.join(map(str, codes))}, one line, nothing left",
                  f"exit {result.code}: {lines[-1][:150] if lines else 'no message'}{' left ' + str(left) if left else ''}",
                  result.code in codes and len(lines) == 1 and not left)
    process = subprocess.Popen([str(TOOL), "run", str(EDITOR), *map(str, clip), "-o", str(work / "i.mp4")],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    before = sorted(os.listdir(work))
    time.sleep(3)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    code = process.wait(timeout=20)
    seconds = time.monotonic() - start
    left = sorted(set(os.listdir(work)) - set(before))
    table.row("Ctrl-C in the middle of a run", "exit 130 at once, nothing left", f"exit {code} after {seconds:.2f} s, left {left}",
              code == 130 and not left and seconds < 1)


def main():
    table = Table("Issue 8: the main job" + (" (quick part)" if QUICK else ""))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inspect_row(table)
        exact_rows(table, folder)
        paper_rows(table, folder)
        parity_row(table)
        reference_row(table, folder)
        memory_row(table, folder)
        if not QUICK:
            calibrated_rows(table, folder)
            large_rows(table, folder)
        bad_input_rows(table, folder)
    table.finish()


if __name__ == "__main__":
    main()
