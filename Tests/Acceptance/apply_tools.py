"""Puts models through the tools that people use on them: apply_tools.py LIBRARY, in the environment "tools".

One job a line of JSON on standard input, {"tool", "model", "output"}; one line each on standard output, {"error"}, null
where the tool wrote its output. Every job is a process of its own, since some tools end theirs.
"""
import json
import os
import resource
import sys

import onnx
import onnxruntime as ort

LIBRARY = sys.argv[1]
# Of a processor's time.
SECONDS = 60


def slim(model, output):
    import onnxslim
    onnx.save(onnxslim.slim(onnx.load(model)), output)


def sim(model, output):
    import onnxsim
    simplified, same = onnxsim.simplify(onnx.load(model), perform_optimization=True)
    onnx.save(simplified, output)


def saved(level):
    def apply(model, output):
        options = ort.SessionOptions()
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_ENABLE_{level}")
        options.optimized_model_filepath = output
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        options.register_custom_ops_library(LIBRARY)
        ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return apply


def fuse(model, output):
    from onnxruntime.transformers import fusion_options, optimizer
    options = fusion_options.FusionOptions("unet")
    options.enable_nhwc_conv = False  # for GPUs alone
    fused = optimizer.optimize_model(
        model, "unet", opt_level=0, num_heads=0, hidden_size=0, optimization_options=options)
    fused.save_model_to_file(output)


def undeclared(model):
    """Types without shapes: these tools leave shapes behind that are wrong where they change the values."""
    loaded = onnx.load(model)
    for info in loaded.graph.value_info:
        info.type.tensor_type.ClearField("shape")
    return loaded


def quantise(model, output):
    from onnxruntime.quantization import quantize_dynamic
    quantize_dynamic(undeclared(model), output)


def half(model, output):
    from onnxconverter_common import float16
    # Casts keep the types that they were given, else models with casts to float32 do not load.
    kept = [*float16.DEFAULT_OP_BLOCK_LIST, "Cast"]
    onnx.save(float16.convert_float_to_float16(undeclared(model), keep_io_types=True, op_block_list=kept), output)


def half_of_runtime(model, output):
    from onnxruntime.transformers import float16
    onnx.save(float16.convert_float_to_float16(onnx.load(model), keep_io_types=True), output)


TOOLS = {
    "onnxslim": slim, "onnxsim": sim, "ONNX Runtime basic": saved("BASIC"), "ONNX Runtime extended": saved("EXTENDED"),
    "transformer optimiser": fuse, "dynamic quantisation": quantise, "float16 (onnxconverter-common)": half,
    "float16 (onnxruntime)": half_of_runtime,
}


def run(job):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1), os.dup2(quiet, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        try:
            TOOLS[job["tool"]](job["model"], job["output"])
            message = ""
        except BaseException as failure:
            message = f"{type(failure).__name__}: {str(failure)[:300]}"
        os.write(write, message.encode())
        os._exit(0 if not message else 1)
    os.close(write)
    with os.fdopen(read) as pipe:
        message = pipe.read()
    _, status = os.waitpid(child, 0)
    if status == 0 and os.path.exists(job["output"]):
        return None
    return message or f"ended with status {status}"


for line in sys.stdin:
    print(json.dumps({"error": run(json.loads(line))}), flush=True)
