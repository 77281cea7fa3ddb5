"""Portable models in onnx's checker and reference evaluator, and in ONNX Runtime without and with the operator's library:
portable.py FOLDER LIBRARY."""
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx.reference import ReferenceEvaluator

from form_models import FORMS, feed, session

folder, library = Path(sys.argv[1]), sys.argv[2]


def kernels(path):
    """The operator's nodes in what ONNX Runtime made of a model."""
    return sum(node.domain == "isa" for node in onnx.load(path).graph.node)


def reads(path, feeds):
    """Whether onnx's evaluator knows the operators of an original."""
    try:
        ReferenceEvaluator(str(path)).run(None, feeds)
    except Exception:
        return False
    return True


failed, counts = [], dict(onnxruntime=0, reference=0)
for form in json.loads((FORMS / "forms.json").read_text()):
    path = folder / f"{form['name']}.onnx"
    if not path.exists() or int(ort.__version__.split(".")[1]) < form.get("since", 0):
        continue
    try:
        original = session(FORMS / f"{form.get('same_as', form['name'])}.onnx")
        feeds = feed(form, original.get_inputs())
        expected, = original.run(None, feeds)
    except Exception:
        continue  # not for this version
    optimised = folder / "optimised.onnx"

    def compare(who, found, counter):
        error = np.linalg.norm(np.asarray(found, np.float64) - expected) / np.linalg.norm(expected)
        if not error < 2e-6:
            failed.append(f"{form['name']} in {who}: {error:.1e}")
        counts[counter] += 1

    try:
        compare("ONNX Runtime", session(path, optimised=optimised).run(None, feeds)[0], "onnxruntime")
        assert kernels(optimised) == 0
        compare("ONNX Runtime with the library", session(path, library, optimised=optimised).run(None, feeds)[0],
                "onnxruntime")
        if "function" not in form["name"]:
            assert kernels(optimised) == form.get("sites", 1), "the body was taken, and the library is there"
    except Exception as failure:
        failed.append(f"{form['name']}: {str(failure)[:200]}")
    # onnx has its own evaluator for ai.onnx alone, up to the opset that it knows; functions have to stand before functions
    # that call them.
    model = onnx.load(path)
    domains = {node.domain for node in model.graph.node} - {"", "isa"}
    if not domains and len(model.functions) == 1 and model.opset_import[0].version <= onnx.defs.onnx_opset_version():
        try:
            compare("onnx", ReferenceEvaluator(model).run(None, feeds)[0], "reference")
        except Exception as failure:
            if reads(FORMS / f"{form['name']}.onnx", feeds):
                failed.append(f"{form['name']} in onnx: {str(failure)[:200]}")
print(f"ONNX Runtime {ort.__version__}: {counts}")
if not failed and (counts["onnxruntime"] <= 40 or counts["reference"] <= 20):
    failed.append("hardly a form ran")
sys.exit("\n".join(failed) or None)
