"""Small real exports of masked attention, through both exporters of PyTorch: make_mask_exports.py

Needs torch, onnx and onnxscript; writes beside itself. Inputs q, k, v, m; lengths b, s, t are symbolic.
"""
import warnings
from pathlib import Path

import onnx
import torch
import torch.nn.functional as F

warnings.filterwarnings("ignore")


def scores(q, k):
    return q @ k.transpose(-1, -2) * 0.35


class Sdpa(torch.nn.Module):
    """Booleans to scaled_dot_product_attention."""

    def forward(self, q, k, v, m):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=m)


class NanToNum(torch.nn.Module):
    """masked_fill with minus infinity, and NaN taken out of the weights."""

    def forward(self, q, k, v, m):
        return torch.nan_to_num(scores(q, k).masked_fill(~m, float("-inf")).softmax(-1), nan=0.0) @ v


class MaskedAfter(torch.nn.Module):
    """masked_fill before and after the softmax, as speech models do."""

    def forward(self, q, k, v, m):
        hidden = ~m
        lowest = torch.finfo(q.dtype).min
        return scores(q, k).masked_fill(hidden, lowest).softmax(-1).masked_fill(hidden, 0.0) @ v


class Product(torch.nn.Module):
    """(1 − mask) · lowest, as text encoders do."""

    def forward(self, q, k, v, m):
        return (scores(q, k) + (1.0 - m.to(q.dtype)) * torch.finfo(q.dtype).min).softmax(-1) @ v


class Inverted(torch.nn.Module):
    """A mask expanded to queries, inverted, and filled where it is not zero."""

    def forward(self, q, k, v, m):
        inverted = 1.0 - m.to(q.dtype).expand(q.shape[0], 1, q.shape[2], k.shape[2])
        return (scores(q, k) + inverted.masked_fill(inverted.to(torch.bool), torch.finfo(q.dtype).min)).softmax(-1) @ v


def main():
    folder = Path(__file__).parent
    q, k, v = (torch.randn(2, 2, n, 8) for n in (5, 7, 7))
    m = torch.rand(2, 1, 1, 7) > 0.3
    axes = {"q": {0: "b", 2: "s"}, "k": {0: "b", 2: "t"}, "v": {0: "b", 2: "t"}, "m": {0: "b", 3: "t"}}
    b, s, t = (torch.export.Dim(n) for n in "bst")
    shapes = ({0: b, 2: s}, {0: b, 2: t}, {0: b, 2: t}, {0: b, 3: t})
    for name, module in [("sdpa", Sdpa), ("nan_to_num", NanToNum), ("masked_after", MaskedAfter),
                         ("product", Product), ("inverted", Inverted)]:
        for exporter, opset in (("torchscript", 14), ("torchscript", 17), ("dynamo", 18), ("dynamo", 20), ("dynamo", 23)):
            more = {"dynamo": False, "dynamic_axes": axes} if exporter == "torchscript" else {
                "dynamo": True, "dynamic_shapes": shapes, "external_data": False, "verbose": False}
            path = folder / f"{name}.{exporter}{opset}.onnx"
            torch.onnx.export(module().eval(), (q, k, v, m), path, opset_version=opset,
                              input_names=["q", "k", "v", "m"], output_names=["y"], **more)
            # Stack traces name this machine's folders.
            model = onnx.load(path)
            for part in [model.graph, *model.graph.node, *model.graph.value_info]:
                part.ClearField("metadata_props")
                part.ClearField("doc_string")
            onnx.save(model, path)


if __name__ == "__main__":
    main()
