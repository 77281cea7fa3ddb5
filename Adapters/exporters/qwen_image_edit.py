"""Qwen-Image-Edit to ONNX: latents as images, which the graph packs into tokens; rotary tables in real numbers."""
import torch
from torch import nn

from diffusers.models.transformers import transformer_qwenimage
from exporting import Family, Fill, Input, main


class RealRotary(nn.Module):
    """The rotary embedding of Qwen-Image, [tokens, half the head size, 2] of cosine and sine: diffusers' is complex,
    which no exporter takes. Images are centred at zero, text follows the largest."""

    def __init__(self, theta, axes):
        super().__init__()
        self.theta, self.axes = theta, axes

    def angles(self, positions, axis):
        size = self.axes[axis]
        return torch.outer(positions.float(), 1.0 / self.theta ** (torch.arange(0, size, 2).float() / size))

    def image(self, frames, height, width, index):
        grids = (torch.arange(frames) + index, torch.arange(height) - (height - height // 2),
                 torch.arange(width) - (width - width // 2))
        shapes = ((frames, 1, 1, -1), (1, height, 1, -1), (1, 1, width, -1))
        parts = [self.angles(grid, k).view(shape).expand(frames, height, width, -1)
                 for k, (grid, shape) in enumerate(zip(grids, shapes))]
        return torch.cat(parts, dim=-1).reshape(frames * height * width, -1)

    def forward(self, shapes, max_txt_seq_len, device=None):
        images = torch.cat([self.image(*shape, index) for index, shape in enumerate(shapes[0])])
        sides = [torch.scalar_tensor(side // 2) for shape in shapes[0] for side in shape[1:]]
        positions = torch.arange(max_txt_seq_len) + torch.stack(sides).max()
        text = torch.cat([self.angles(positions, k) for k in range(3)], dim=-1)
        return tuple(torch.stack([angle.cos(), angle.sin()], dim=-1) for angle in (images, text))


rotated_complex = transformer_qwenimage.apply_rotary_emb_qwen


def rotated(x, table, use_real=False):
    """x [B, S, H, D] turned by a table of `RealRotary`; by one of diffusers' with diffusers' own function."""
    if table.is_complex():
        return rotated_complex(x, table, use_real=use_real)
    real, imaginary = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = table.unsqueeze(1).unbind(-1)
    return torch.stack([real * cos - imaginary * sin, real * sin + imaginary * cos], dim=-1).flatten(3).type_as(x)


def in_real_numbers(model, exporter):
    if not isinstance(model.pos_embed, RealRotary):
        model.pos_embed = RealRotary(model.pos_embed.theta, model.pos_embed.axes_dim)
    transformer_qwenimage.apply_rotary_emb_qwen = rotated


def packed(latents):
    """[B, C, H, W] to tokens of 2 × 2: [B, H/2 · W/2, 4C]."""
    return latents.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def edit(model, inputs):
    target, reference = inputs["hidden_states"], inputs["image_latents"]
    shapes = [(1, x.shape[2] // 2, x.shape[3] // 2) for x in (target, reference)]
    tokens = packed(target)
    output = model(torch.cat([tokens, packed(reference)], dim=1), timestep=inputs["timestep"],
                   encoder_hidden_states=inputs["encoder_hidden_states"], img_shapes=[shapes], return_dict=False)[0]
    _, rows, columns = shapes[0]
    output = output[:, :tokens.shape[1]].unflatten(2, (-1, 2, 2)).unflatten(1, (rows, columns))
    return output.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


FAMILIES = [
    Family(
        name="qwen-image-edit", description="Qwen-Image-Edit", model="QwenImageTransformer2DModel",
        inputs=(Input("hidden_states", ("batch", "in_channels // 4", "height", "width")),
                Input("image_latents", ("batch", "in_channels // 4", "reference_height", "reference_width")),
                Input("timestep", ("batch",), "float", Fill("constant", 0.5)),
                Input("encoder_hidden_states", ("batch", "text", "joint_attention_dim"))),
        axes=dict(height=128, width=128, reference_height=128, reference_width=128, text=512),
        tiny=dict(in_channels=16, out_channels=4, num_layers=1, attention_head_dim=8, num_attention_heads=2,
                  joint_attention_dim=16, axes_dims_rope=(4, 2, 2)),
        tiny_axes=(dict(height=8, width=8, reference_height=8, reference_width=6, text=5),
                   dict(height=12, width=8, reference_height=6, reference_width=8, text=7)),
        forward=edit, prepare=in_real_numbers),
]

if __name__ == "__main__":
    main(FAMILIES)
