"""The forms of Tests/Fixtures/forms: sessions on them, and arrays for their inputs."""
from pathlib import Path

import numpy as np
import onnxruntime as ort

FORMS = Path(__file__).resolve().parents[1] / "Fixtures/forms"


def session(path, *libraries, optimised=None):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    if optimised:
        options.optimized_model_filepath = str(optimised)
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
