"""Which models this Python's ONNX Runtime loads: load_models.py LIBRARY MODEL…, one line of JSON. An empty LIBRARY: no
operators of ours."""
import json
import sys

import onnxruntime as ort

library, *models = sys.argv[1:]
loads = {}
for model in models:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    if library:
        options.register_custom_ops_library(library)
    try:
        ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        loads[model] = None
    except Exception as failure:
        loads[model] = str(failure)[:300]
print(json.dumps(loads))
