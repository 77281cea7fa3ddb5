"""What the export scripts share: a family as data, its model, example inputs, the two exporters, the command line.

A script of a family is a table: `FAMILIES = [Family(...), ...]` and `main(FAMILIES)`.
"""
import argparse
import contextlib
import inspect
import io
import logging
import re
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import diffusers
import numpy as np
import onnx_ir
import torch
import torch.nn.functional as F
from torch import nn

#: Protobuf ends at 2 GiB; above this many bytes of weights they go into `MODEL.onnx.data`.
EXTERNAL_DATA_ABOVE = 1_500_000_000

TYPES = {
    "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16,
    "int64": torch.int64, "bool": torch.bool,
}


@dataclass(frozen=True)
class Fill:
    """Values of an example input: `noise`, `constant` (value), `integers` in [0, value) that repeat, or `prefix`: ones
    along the last axis but for the last `value`."""

    kind: str = "noise"
    value: float = 0.0


@dataclass(frozen=True)
class Input:
    """An input of the graph.

    dims: an integer, `batch` (fixed), the name of an axis of `Family.axes` (a symbolic length), or an expression over
    axes and the model's configuration (`"in_channels"`, `"frames * height"`); one with an axis in it is symbolic too.
    type: `float` follows `--dtype`.
    """

    name: str
    dims: tuple[int | str, ...]
    type: str = "float"
    fill: Fill = Fill()


def call(model: nn.Module, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The model with its own arguments' names; the first output."""
    return model(**inputs, return_dict=False)[0]


@dataclass(frozen=True)
class Family:
    """A model family and what its ONNX looks like.

    axes: name of a length: what it is in an export without `--sizes` (latent frames, rows, columns; tokens of text).
    fixed: those of them that no export can leave open, since the model makes constants or loops of them.
    forward: the graph, from the model and the inputs by name.
    prepare: rewrites of the model that keep its meaning, for what an exporter cannot write.
    components: suffix of the file's name: folder of the checkpoint.
    tiny: the configuration of a model of a few kilobytes; tiny_axes two sets of its sizes, to try both.
    """

    name: str
    description: str
    model: str
    inputs: tuple[Input, ...]
    axes: Mapping[str, int]
    tiny: Mapping[str, Any]
    tiny_axes: tuple[Mapping[str, int], Mapping[str, int]]
    fixed: tuple[str, ...] = ()
    output: str = "velocity"
    forward: Callable[[nn.Module, Mapping[str, torch.Tensor]], torch.Tensor] = call
    prepare: Callable[[nn.Module, str], None] = lambda model, exporter: None
    components: Mapping[str, str] = field(default_factory=lambda: {"": "transformer"})


class Graph(nn.Module):
    """The family's graph as a module whose positional inputs stand in the order of the table."""

    def __init__(self, family: Family, model: nn.Module):
        super().__init__()
        self.transformer = model
        self.family = family

    def forward(self, *values: torch.Tensor) -> torch.Tensor:
        return self.family.forward(self.transformer, dict(zip((i.name for i in self.family.inputs), values)))


def model_class(family: Family) -> type:
    return getattr(diffusers, family.model)


def tiny_model(family: Family, dtype: str = "float32", seed: int = 0) -> nn.Module:
    """A random model of the tiny configuration. Weights that start as zeros would hide what follows: they get noise.
    Outside attention, weights of one shape are the same: a file can hold them once."""
    torch.manual_seed(seed)
    model = model_class(family)(**family.tiny).eval()
    first = {}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.abs().max() < 1e-3:
                parameter.normal_(std=0.05)
            if parameter.ndim > 1 and "attn" not in name:
                parameter.copy_(first.setdefault(parameter.shape, parameter))
    return model if dtype == "float32" else model.to(TYPES[dtype])


def checkpoint_model(family: Family, folder: Path, subfolder: str, dtype: str) -> nn.Module:
    """A component of a diffusers checkpoint folder (or the component's own folder)."""
    place = folder / subfolder if (folder / subfolder).is_dir() else folder
    return model_class(family).from_pretrained(place, torch_dtype=TYPES[dtype]).eval()


def length(dim: int | str, model: nn.Module, axes: Mapping[str, int]) -> int:
    """A dim's length. Expressions come from our own tables only."""
    return dim if isinstance(dim, int) else int(eval(dim, {"__builtins__": {}}, {"batch": 1, **model.config, **axes}))


def symbol(dim: int | str, axes: Mapping[str, int], fixed: Sequence[str]) -> str | None:
    """The name of a symbolic length; None for a fixed one."""
    words = re.findall(r"[a-z_]+", dim) if isinstance(dim, str) else []
    if not any(word in axes and word not in fixed for word in words):
        return None
    return re.sub(r"\W+", "_", dim)


def filled(fill: Fill, shape: Sequence[int], salt: int) -> np.ndarray:
    """Values of an example input, the same everywhere: noise is a hash of the element's index and of `salt`, uniform in
    ±√3, which has mean 0 and variance 1."""
    index = np.arange(int(np.prod(shape)), dtype=np.uint64)
    if fill.kind == "noise":
        mixed = (index + np.uint64(salt * 1_000_003 + 1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
        values = ((mixed >> np.uint64(40)).astype(np.float64) / 2**23 - 1) * 3**0.5
    elif fill.kind == "constant":
        values = np.full(index.shape, fill.value)
    elif fill.kind == "integers":
        values = index % np.uint64(fill.value)
    elif fill.kind == "prefix":
        values = index % np.uint64(shape[-1]) < shape[-1] - fill.value
    else:
        raise ValueError(f"'{fill.kind}' is no fill; take noise, constant, integers or prefix")
    return values.reshape(shape)


def examples(family: Family, model: nn.Module, axes: Mapping[str, int], dtype: str) -> list[torch.Tensor]:
    """Example inputs at these sizes, in the order of the table."""
    return [torch.from_numpy(filled(given.fill, [length(d, model, axes) for d in given.dims], salt))
            .to(TYPES[dtype if given.type == "float" else given.type])
            for salt, given in enumerate(family.inputs)]


@contextlib.contextmanager
def written_out(exporter: str):
    """Operations that an exporter, or ONNX Runtime after it, does not take are written with others inside."""
    rms_norm, forward = F.rms_norm, nn.RMSNorm.forward
    masked_fill, squeeze = torch.Tensor.masked_fill, torch.Tensor.squeeze

    def elementary_rms_norm(x, shape, weight=None, eps=None):
        wide = x.float()
        mean = wide.pow(2).mean([-i - 1 for i in range(len(shape))], keepdim=True)
        y = (wide * torch.rsqrt(mean + (1e-6 if eps is None else eps))).to(x.dtype)
        return y if weight is None else y * weight

    def logical_masked_fill(x, mask, value):
        return x & ~mask if x.dtype == torch.bool and value is False else masked_fill(x, mask, value)

    def effective_squeeze(x, *dims):
        return x if len(dims) == 1 and isinstance(dims[0], int) and x.shape[dims[0]] != 1 else squeeze(x, *dims)

    torch.Tensor.masked_fill = logical_masked_fill
    if exporter == "dynamo":
        torch.Tensor.squeeze = effective_squeeze
    else:
        F.rms_norm = elementary_rms_norm
        nn.RMSNorm.forward = lambda self, x: elementary_rms_norm(x, self.normalized_shape, self.weight, self.eps)
    try:
        yield
    finally:
        F.rms_norm, nn.RMSNorm.forward = rms_norm, forward
        torch.Tensor.masked_fill, torch.Tensor.squeeze = masked_fill, squeeze


def export(family: Family, model: nn.Module, axes: Mapping[str, int], *, exporter: str, opset: int, dynamic: bool,
           dtype: str) -> onnx_ir.Model:
    """The family's graph in ONNX. exporter: `dynamo` (torch.export) or `torchscript` (tracing)."""
    family.prepare(model, exporter)
    names = [given.name for given in family.inputs]
    symbols = [{k: s for k, d in enumerate(given.dims) if dynamic and (s := symbol(d, family.axes, family.fixed))}
               for given in family.inputs]
    graph, values = Graph(family, model).eval(), tuple(examples(family, model, axes, dtype))
    with torch.no_grad(), written_out(exporter), contextlib.redirect_stdout(io.StringIO()):
        if exporter == "dynamo":
            program = torch.onnx.export(
                graph, values, dynamo=True, opset_version=opset, input_names=names, output_names=[family.output],
                dynamic_shapes={"values": tuple(symbols)} if dynamic else None, verbose=False)
            written = program.model
        else:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.onnx"
                torch.onnx.export(graph, values, path, dynamo=False, opset_version=opset, input_names=names,
                                  output_names=[family.output], dynamic_axes=dict(zip(names, symbols)))
                written = onnx_ir.load(path)
                for tensor in written.graph.initializers.values():
                    if isinstance(tensor.const_value, onnx_ir.ExternalTensor):
                        tensor.const_value = onnx_ir.Tensor(tensor.const_value.numpy().copy(), name=tensor.name)
    return tidied(written)


def tidied(model: onnx_ir.Model) -> onnx_ir.Model:
    """Without stack traces and paths of this machine; the modules' names stay (`pkg.torch.onnx.name_scopes`)."""
    kept = "pkg.torch.onnx.name_scopes"

    def clean(thing):
        thing.doc_string = None
        for key in [k for k in thing.metadata_props if k != kept]:
            del thing.metadata_props[key]

    clean(model)
    clean(model.graph)
    for value in [*model.graph.inputs, *model.graph.initializers.values()]:
        clean(value)
    for node in model.graph.all_nodes():
        for thing in [node, *node.outputs]:
            clean(thing)
    return model


def save(model: onnx_ir.Model, path: Path) -> None:
    """Large weights go beside the model, in one file."""
    size = sum(v.const_value.nbytes for v in model.graph.initializers.values() if v.const_value is not None)
    onnx_ir.save(model, path, external_data=f"{path.name}.data" if size > EXTERNAL_DATA_ABOVE else None)


def axis_sizes(text: str, family: Family) -> dict[str, int]:
    """`frames=21,height=60`: sizes of the named axes."""
    sizes = {}
    for part in filter(None, text.split(",")):
        name, _, number = part.partition("=")
        if name not in family.axes or not number.isdigit():
            sys.exit(f"--sizes: '{part}' is not AXIS=LENGTH; {family.name} has {', '.join(family.axes)}.")
        sizes[name] = int(number)
    return sizes


def main(families: Sequence[Family]) -> None:
    """The command line of a family's script."""
    names = [family.name for family in families]
    parser = argparse.ArgumentParser(description=inspect.getmodule(inspect.stack()[1][0]).__doc__)
    parser.add_argument("checkpoint", nargs="?", type=Path, help="a diffusers checkpoint folder")
    parser.add_argument("-o", "--output", type=Path, required=True, help="MODEL.onnx")
    parser.add_argument("--family", choices=names, default=names[0], help="default: %(default)s")
    parser.add_argument("--tiny", action="store_true", help="a small random model instead of a checkpoint")
    parser.add_argument("--exporter", choices=["dynamo", "torchscript"], default="dynamo", help="default: %(default)s")
    parser.add_argument("--opset", type=int, help="default: 20, with torchscript 17")
    parser.add_argument("--static", action="store_true", help="fixed lengths instead of symbolic ones")
    parser.add_argument("--sizes", default="", help="lengths of the example, AXIS=LENGTH,…")
    parser.add_argument("--batch", type=int, default=1, help="2: both branches of guidance in one call")
    parser.add_argument("--dtype", choices=["float32", "float16", "bfloat16"], default="float32")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    family = families[names.index(arguments.family)]
    if arguments.tiny == (arguments.checkpoint is not None):
        parser.error("give a checkpoint folder, or --tiny")
    torch.set_num_threads(arguments.threads)
    logging.disable(logging.WARNING)
    axes = {"batch": arguments.batch, **(family.tiny_axes[0] if arguments.tiny else family.axes),
            **axis_sizes(arguments.sizes, family)}
    for seed, (suffix, subfolder) in enumerate(family.components.items()):
        if arguments.tiny:
            model = tiny_model(family, arguments.dtype, seed)
        else:
            model = checkpoint_model(family, arguments.checkpoint, subfolder, arguments.dtype)
        path = arguments.output.with_name(f"{arguments.output.stem}{suffix}{arguments.output.suffix}")
        opset = arguments.opset or (17 if arguments.exporter == "torchscript" else 20)
        save(export(family, model, axes, exporter=arguments.exporter, opset=opset, dynamic=not arguments.static,
                    dtype=arguments.dtype), path)
        print(f"{path}: {family.description}", file=sys.stderr)
