"""Runs the forms of Tests/Fixtures/forms as they are and patched, in this Python's ONNX Runtime: forms.py PATCHED LIBRARY."""
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort

from form_models import FORMS, feed, session

patched, library = Path(sys.argv[1]), sys.argv[2]

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
