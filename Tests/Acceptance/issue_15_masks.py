"""Issue 15, masks: the corpus of mask forms, and the rows of ../shared/faults that are about masks."""
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime as ort

from harness import OPS, ROOT, SHARED, TOOL, Table, run

sys.path.insert(0, str(ROOT / "Tests/CommandLine"))
import masks  # noqa: E402

VERSIONS = ["1.17.3", "1.22.1"]
# What the original gives for a batch entry, or a row, all of whose keys are masked.
FAULTS = {
    "masked_where_-1e+09.onnx": "the mean of the values",
    "mha_keymask.onnx": "softmax of its scores, rounded beside -10,000",
    "keymask_none_left.dy18.onnx": "the mean of the values",
    "row_where_-1e+04.onnx": "uniform weights",
}


def corpus(table, folder):
    """Every form of a mask: equal, or kept with its reason."""
    forms = masks.patch(folder, str(TOOL))
    found = masks.compare(folder, str(OPS))
    table.row(f"mask corpus: {forms} forms, fully, partly and not masked, in ONNX Runtime {ort.__version__}",
              "every case equal to 1e-5 (float16 2e-3; NaN where the original has NaN), or kept with its reason",
              f"{found.equal} cases equal, {found.noisy} within the original's own noise, {sum(found.kept.values())} forms "
              f"kept, {found.refused} not run by ONNX Runtime itself" + "".join(f"; {w}" for w in found.wrong[:5]),
              not found.wrong and found.equal > 8000)
    for reason, count in found.kept.items():
        table.row("kept", "the reason is the expected one", f"{count}: {reason}", True)
    for version in VERSIONS:
        subprocess.run([ROOT / "Tests/Python/make-environment.sh", version], check=True)
        done = subprocess.run([ROOT / f".deps/python/onnxruntime-{version}/bin/python",
                               ROOT / "Tests/CommandLine/masks.py", "compare", folder, OPS], capture_output=True, text=True)
        said = next((line for line in done.stdout.splitlines() if line.startswith("ONNX Runtime")), done.stderr[-200:])
        table.row(f"the same in ONNX Runtime {version}", "none wrong", said.split(": ", 1)[-1], done.returncode == 0)


def feeds(session, keep):
    """Random inputs, and a mask: nothing hidden, a part, the last row, the first entry, everything."""
    random, lengths, result = np.random.default_rng(2), {"s10": 2, "s25": 5, "s44": 7, "s51": 7}, {}
    for given in session.get_inputs():
        shape = [x if isinstance(x, int) else lengths[x] for x in given.shape]
        if given.type == "tensor(float)":
            result[given.name] = random.normal(size=shape).astype(np.float32)
            continue
        mask = random.random(shape) < 0.6
        mask[..., 0] = True
        if keep == "none":
            mask[:] = True
        elif keep == "row":
            mask[(-1,) * (len(shape) - 1)] = False
        elif keep == "entry":
            mask[0] = False
        elif keep == "all":
            mask[:] = False
        result[given.name] = mask.astype(np.int32 if given.type == "tensor(int32)" else bool)
    return result


def faults(table, folder):
    for name, meaning in FAULTS.items():
        source, out = SHARED / "faults" / name, Path(folder) / f"fault.{name}"
        done = run("patch", source, "-o", out, "--mode", "exact", "--min-tokens", "1", "--only", "*", "--json",
                   check=False, tool=TOOL)
        if done.code:
            table.row(name, meaning, done.err.strip()[-200:] or f"ended with {done.code}", False)
            continue
        original, patched = masks.session(source), masks.session(out, str(OPS))
        errors = {}
        for keep in ("none", "partly", "row", "entry", "all"):
            given = feeds(original, keep)
            errors[keep] = masks.difference(patched.run(None, given)[0], original.run(None, given)[0])
        worst = max(errors, key=errors.get)
        table.row(f"faults: {name}", f"as the original: {meaning}",
                  f"as should, {errors[worst]:.0e} at most" if errors[worst] <= 1e-5 else f"{errors[worst]:.0e} ({worst})",
                  errors[worst] <= 1e-5)


def mask_rows(table, folder):
    """Adds the rows about masks; `folder` takes the models."""
    inside = Path(folder) / "masks"
    inside.mkdir(exist_ok=True)
    corpus(table, inside)
    faults(table, inside)


if __name__ == "__main__":
    rows = Table("Issue 15: masks")
    with tempfile.TemporaryDirectory() as name:
        mask_rows(rows, name)
    rows.finish()
