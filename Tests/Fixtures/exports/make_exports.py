"""Makes the exports of this folder, `manifest.json` and `expected.npz`: make_exports.py [NAME …], with the packages
of Adapters/exporters/requirements.txt.

The manifest says what the PyTorch model does, not what a graph looks like: every call of scaled_dot_product_attention
is watched, with its module, heads and lengths; what each module attends over is in `SITES`. `expected.npz` holds what
the PyTorch model gives for the example inputs.
"""
import json
import logging
import re
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx_ir.passes.common
import torch
from torch.overrides import TorchFunctionMode

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "Adapters/exporters"))
from exporting import Graph, examples, export, length, save, tiny_model  # noqa: E402

SCRIPTS = ["wan", "ltx", "cogvideox", "hunyuan", "mochi", "flux", "qwen_image_edit", "unets", "sd3",
           "video_transformers", "wan_vae"]


@dataclass(frozen=True)
class Variant:
    """exporter and opset; dynamic: symbolic lengths, tried at two sizes; batch; dtype."""

    exporter: str
    opset: int
    dynamic: bool
    batch: int = 1
    dtype: str = "float32"

    @property
    def name(self):
        extra = [f"batch{self.batch}"] * (self.batch > 1) + [self.dtype] * (self.dtype != "float32")
        return "-".join([f"{self.exporter}{self.opset}", "dynamic" if self.dynamic else "static", *extra])


def dynamo(opset, dynamic=True, **more):
    return Variant("dynamo", opset, dynamic, **more)


def traced(dynamic=True, **more):
    return Variant("torchscript", 17, dynamic, **more)


#: Which exports of a family are kept. One that ONNX Runtime refuses stays where the patched model runs.
VARIANTS = {
    "wan-t2v": [dynamo(18, False), dynamo(20), dynamo(23), traced(), dynamo(20, False, dtype="float16")],
    "wan-in-context": [dynamo(18, False), dynamo(20), traced()],
    "wan22-t2v": [dynamo(20, batch=2)],
    "wan-i2v": [dynamo(20)],
    "wan-vace": [dynamo(20)],
    "skyreels-v2": [dynamo(20)],
    "ltx": [dynamo(18, False), dynamo(23)],
    "cogvideox-5b": [dynamo(20), traced()],
    "cogvideox-2b": [dynamo(20)],
    "hunyuan-video": [dynamo(23), traced()],
    "framepack": [dynamo(20)],
    "mochi": [dynamo(18, False), traced()],
    "flux-kontext": [dynamo(20), traced(False)],
    "qwen-image-edit": [dynamo(20), traced(False)],
    "svd": [dynamo(20, dtype="float16")],
    "animatediff": [dynamo(20)],
    "sd3": [dynamo(20), traced()],
    "sd35-medium": [dynamo(23), traced()],
    "latte": [dynamo(20), traced()],
    "allegro": [dynamo(20), traced()],
    "cosmos": [dynamo(20, False), traced(False)],
    "easyanimate": [dynamo(20)],
    "sana-video": [dynamo(20)],
    "wan-vae-encoder": [dynamo(20)],
    "wan-vae-decoder": [dynamo(20)],
}

VIDEO = "frames * (height // 2) * (width // 2)"
PIXELS = "frames * height * width"
IMAGE = "(height // 2) * (width // 2)"
TEXT = ("text", "text")
SELF_AND_TEXT = [(r"attn1$", "self", "spatiotemporal", [("target", VIDEO)]), (r"attn2$", "cross", "text", None)]

#: Family: module, kind, axis, segments in sequence order. None: more than one answer is right.
SITES = {
    "wan-t2v": SELF_AND_TEXT,
    "wan-in-context": [
        (r"attn1$", "self", "spatiotemporal",
         [("target", VIDEO), ("context", "source_frames * (height // 2) * (width // 2)")]),
        (r"attn2$", "cross", "text", None)],
    "wan22-t2v": SELF_AND_TEXT,
    "wan-i2v": [SELF_AND_TEXT[0], (r"attn2$", "cross", None, None)],
    "wan-vace": [(r"vace_blocks.*attn1$", "self", "spatiotemporal", None), *SELF_AND_TEXT],
    "skyreels-v2": SELF_AND_TEXT,
    "ltx": [(r"attn1$", "self", "spatiotemporal", [("target", PIXELS)]), SELF_AND_TEXT[1]],
    "cogvideox-5b": [(r"attn1$", "joint", "spatiotemporal", [("text", "max_text_seq_length"), ("target", VIDEO)])],
    "cogvideox-2b": [(r"attn1$", "joint", "spatiotemporal", [("text", "max_text_seq_length"), ("target", VIDEO)])],
    "hunyuan-video": [(r"context_embedder", "self", "text", None),
                      (r"transformer_blocks", "joint", "spatiotemporal", [("target", VIDEO), TEXT])],
    "framepack": [(r"context_embedder", "self", "text", None),
                  (r"transformer_blocks", "joint", "spatiotemporal", None)],
    "mochi": [(r"pooler|time_embed", "cross", None, None),
              (r"transformer_blocks", "joint", "spatiotemporal", None)],
    "flux-kontext": [(r"", "joint", None, [TEXT, ("target", "target"), ("context", "reference")])],
    "qwen-image-edit": [(r"", "joint", None, [
        TEXT, ("target", IMAGE), ("context", "(reference_height // 2) * (reference_width // 2)")])],
    "svd": [(r"temporal_transformer_blocks.*attn1$", "self", "temporal", None), (r"attn1$", "self", "spatial", None),
            (r"attn2$", "cross", None, None)],
    "animatediff": [(r"motion_modules", "self", "temporal", None), (r"attn1$", "self", "spatial", None),
                    (r"attn2$", "cross", None, None)],
    "sd3": [(r"", "joint", "spatial", [("target", IMAGE), TEXT])],
    "sd35-medium": [(r"attn2$", "self", "spatial", [("target", IMAGE)]),
                    (r"attn$", "joint", "spatial", [("target", IMAGE), TEXT])],
    "latte": [(r"temporal_transformer_blocks.*attn1$", "self", "temporal", None), (r"attn1$", "self", "spatial", None),
              (r"attn2$", "cross", None, None)],
    "allegro": SELF_AND_TEXT,
    "cosmos": SELF_AND_TEXT,
    "easyanimate": [(r"attn", "joint", "spatiotemporal", [TEXT, ("target", VIDEO)])],
    "sana-video": [(r"attn2$", "cross", None, None)],
    "wan-vae-encoder": [(r"attentions", "self", "spatial", None)],
    "wan-vae-decoder": [(r"attentions", "self", "spatial", None)],
}


#: Modules whose lengths follow from the values of a mask, not from its shape.
BY_VALUE = {"framepack": r"transformer_blocks", "mochi": r"attn1$"}


class Watch(TorchFunctionMode):
    """Every call of scaled_dot_product_attention, with the innermost module of the model's that makes it."""

    def __init__(self, graph):
        super().__init__()
        self.calls, self.modules, self.hooks = [], [], []
        for name, module in graph.named_modules():
            self.hooks += [module.register_forward_pre_hook(lambda m, a, name=name: self.modules.append(name)),
                           module.register_forward_hook(self.left)]

    def left(self, module, arguments, output):
        self.modules.pop()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if getattr(function, "__name__", "") == "scaled_dot_product_attention":
            named = dict(zip(["query", "key"], args)) | (kwargs or {})
            query, key = named["query"].shape, named["key"].shape
            self.calls.append(dict(module=self.modules[-1], heads=query[-3], head_size=query[-1], query=query[-2],
                                   key=key[-2]))
        return function(*args, **(kwargs or {}))


def watched(family, model, axes, dtype="float32"):
    """Attention calls and output of the PyTorch model."""
    graph = Graph(family, model).eval()
    watch = Watch(graph)
    with torch.no_grad(), watch:
        output = graph(*examples(family, model, axes, dtype))
    for hook in watch.hooks:
        hook.remove()
    return watch.calls, output.float().numpy()


def sites(family, model, sizes):
    """The manifest's sites: watched calls of every size, told apart by `SITES`."""
    runs = [watched(family, model, axes)[0] for axes in sizes]
    result = []
    for calls in zip(*runs, strict=True):
        module = calls[0]["module"]
        _, kind, axis, segments = next(rule for rule in SITES[family.name] if re.search(rule[0], module))
        result.append(dict(
            module=module, kind=kind, axis=axis, heads=calls[0]["heads"], head_size=calls[0]["head_size"],
            query=[c["query"] for c in calls], key=[c["key"] for c in calls],
            by_value=bool(re.search(BY_VALUE.get(family.name, "$^"), module)),
            segments=segments and [[role, [length(n, model, axes) for axes in sizes]] for role, n in segments]))
    return result


def inputs(family, model, axes, dtype):
    """What a run at these sizes is fed: the fills of exporting.py."""
    return [dict(name=given.name, type=dtype if given.type == "float" else given.type, fill=given.fill.kind,
                 value=given.fill.value, salt=salt, shape=[length(d, model, axes) for d in given.dims])
            for salt, given in enumerate(family.inputs)]


def entry(family, variant, path):
    """Writes an export; its line of the manifest, and what PyTorch gives for its inputs."""
    sizes = [axes | dict(batch=variant.batch) for axes in family.tiny_axes[:1 + variant.dynamic]]
    model = tiny_model(family, variant.dtype)
    written = export(family, model, sizes[0], exporter=variant.exporter, opset=variant.opset, dynamic=variant.dynamic,
                     dtype=variant.dtype)
    onnx_ir.passes.common.DeduplicateInitializersPass(size_limit=2**20)(written)
    save(written, path)
    reference = tiny_model(family)
    line = dict(file=path.name, family=family.description, exporter=variant.exporter, opset=written.opset_imports[""],
                lengths="dynamic" if variant.dynamic else "static", dtype=variant.dtype,
                inputs=[inputs(family, reference, axes, variant.dtype) for axes in sizes],
                sites=sites(family, reference, sizes))
    return line, {f"{path.stem}/{k}": watched(family, reference, axes)[1] for k, axes in enumerate(sizes)}


def main():
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    families = {family.name: family for script in SCRIPTS for family in import_module(script).FAMILIES}
    paths = {HERE / f"{name}.{variant.name}.onnx": (families[name], variant)
             for name, variants in VARIANTS.items() for variant in variants}
    lines, expected = {}, {}
    if wanted := sys.argv[1:]:
        lines = {line["file"]: line for line in json.loads((HERE / "manifest.json").read_text())["files"]}
        expected = dict(np.load(HERE / "expected.npz"))
    for path, (family, variant) in paths.items():
        if not wanted or any(word in path.name for word in wanted):
            lines[path.name], outputs = entry(family, variant, path)
            expected |= outputs
            print(f"{path.name}: {path.stat().st_size // 1024} KB", file=sys.stderr, flush=True)
    manifest = ",\n".join(json.dumps(lines[path.name]) for path in paths)
    (HERE / "manifest.json").write_text('{"files": [\n' + manifest + "\n]}\n")
    np.savez_compressed(HERE / "expected.npz", **{key: expected[key] for path in paths for key in sorted(expected)
                                                  if key.split("/")[0] == path.stem})


if __name__ == "__main__":
    main()
