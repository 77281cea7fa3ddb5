"""Runs the forms of Tests/Fixtures/forms as they are and patched, in this Python's ONNX Runtime: forms.py PATCHED LIBRARY."""
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort

FORMS = Path(__file__).resolve().parents[1] / "Fixtures/forms"
patched, library = Path(sys.argv[1]), sys.argv[2]


def session(path, *libraries):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    for name in libraries:
        options.register_custom_ops_library(name)
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def feed(form, inputs):
    random, feeds = np.random.default_rng(3), {}
    for x in inputs:
        shape = [d if isinstance(d, int) else form["lengths"][d] for d in x.shape]
        keeps = np.arange(int(np.prod(shape))).reshape(shape) % 3 != 1
        if x.name in ("keep", "mask"):
            feeds[x.name] = keeps.astype({"tensor(bool)": bool, "tensor(int32)": np.int32}.get(x.type, np.float32))
        else:
            feeds[x.name] = random.normal(size=shape).astype(np.float32)
    return feeds


failed, ran, refused = [], 0, 0
for form in json.loads((FORMS / "forms.json").read_text()):
    name = form["name"]
    if int(ort.__version__.split(".")[1]) < form.get("since", 0):
        refused += 1
        continue
    try:
        original = session(FORMS / f"{form.get('same_as', name)}.onnx")
        feeds = feed(form, original.get_inputs())
        expected, = original.run(None, feeds)
    except Exception:
        # Opsets and operators that this version does not have yet, or has for GPUs alone.
        refused += 1
        continue
    try:
        found, = session(patched / f"{name}.onnx", library).run(None, feeds)
        error = np.linalg.norm(found.astype(np.float64) - expected) / np.linalg.norm(expected)
        if found.shape != expected.shape or not error < 2e-6:
            failed.append(f"{name}: {error:.1e}")
        ran += 1
    except Exception as failure:
        failed.append(f"{name}: {str(failure)[:200]}")
print(f"ONNX Runtime {ort.__version__}: {ran} forms agree, {refused} it does not run unpatched")
assert ran > 30, "hardly a form ran"
sys.exit("\n".join(failed) or None)
