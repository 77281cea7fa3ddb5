"""Stable Diffusion 3 and 3.5 to ONNX."""
from exporting import Family, Fill, Input, main

INPUTS = (Input("hidden_states", ("batch", "in_channels", "height", "width")),
          Input("encoder_hidden_states", ("batch", "text", "joint_attention_dim")),
          Input("pooled_projections", ("batch", "pooled_projection_dim")),
          Input("timestep", ("batch",), "float", Fill("constant", 500)))
AXES = dict(height=128, width=128, text=333)
TINY = dict(sample_size=8, in_channels=4, out_channels=4, num_layers=1, attention_head_dim=8, num_attention_heads=2,
            joint_attention_dim=16, caption_projection_dim=16, pooled_projection_dim=8, pos_embed_max_size=8)
TINY_AXES = (dict(height=8, width=8, text=5), dict(height=12, width=8, text=7))

FAMILIES = [
    Family(name="sd3", description="Stable Diffusion 3", model="SD3Transformer2DModel", inputs=INPUTS, axes=AXES,
           tiny=TINY, tiny_axes=TINY_AXES),
    Family(name="sd35-medium", description="Stable Diffusion 3.5 medium, a second attention over the image alone",
           model="SD3Transformer2DModel", inputs=INPUTS, axes=AXES,
           tiny=TINY | dict(dual_attention_layers=(0,), qk_norm="rms_norm"), tiny_axes=TINY_AXES),
]

if __name__ == "__main__":
    main(FAMILIES)
