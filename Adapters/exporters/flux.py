"""FLUX.1 Kontext to ONNX: the reference image's tokens behind the target's."""
import torch

from exporting import Family, Fill, Input, main


def kontext(model, inputs):
    """`img_ids` are those of the target, then of the reference, whose first column is 1."""
    target = inputs["hidden_states"]
    both = torch.cat([target, inputs["image_latents"]], dim=1)
    others = {k: v for k, v in inputs.items() if k not in ("hidden_states", "image_latents")}
    return model(both, **others, return_dict=False)[0][:, :target.shape[1]]


FAMILIES = [
    Family(
        name="flux-kontext", description="FLUX.1 Kontext, image editing", model="FluxTransformer2DModel",
        inputs=(Input("hidden_states", ("batch", "target", "in_channels")),
                Input("image_latents", ("batch", "reference", "in_channels")),
                Input("encoder_hidden_states", ("batch", "text", "joint_attention_dim")),
                Input("pooled_projections", ("batch", "pooled_projection_dim")),
                Input("timestep", ("batch",), "float", Fill("constant", 0.5)),
                Input("img_ids", ("target + reference", 3), "float", Fill("integers", 5)),
                Input("txt_ids", ("text", 3), "float", Fill("constant", 0)),
                Input("guidance", ("batch",), "float", Fill("constant", 2.5))),
        axes=dict(target=4096, reference=4096, text=512),
        tiny=dict(in_channels=8, num_layers=1, num_single_layers=1, attention_head_dim=8, num_attention_heads=2,
                  joint_attention_dim=16, pooled_projection_dim=8, guidance_embeds=True, axes_dims_rope=(4, 2, 2)),
        tiny_axes=(dict(target=16, reference=12, text=5), dict(target=20, reference=9, text=7)), forward=kontext),
]

if __name__ == "__main__":
    main(FAMILIES)
