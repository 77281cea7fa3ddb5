"""Mochi to ONNX."""
from exporting import Family, Fill, Input, main

FAMILIES = [
    Family(
        name="mochi", description="Mochi 1", model="MochiTransformer3DModel",
        inputs=(Input("hidden_states", ("batch", "in_channels", "frames", "height", "width")),
                Input("encoder_hidden_states", ("batch", "text", "text_embed_dim")),
                Input("timestep", ("batch",), "float", Fill("constant", 500)),
                Input("encoder_attention_mask", ("batch", "text"), "bool", Fill("prefix", 2))),
        axes=dict(frames=4, height=60, width=106, text=256),
        tiny=dict(num_attention_heads=2, attention_head_dim=8, num_layers=1, pooled_projection_dim=8, in_channels=4,
                  text_embed_dim=16, time_embed_dim=8, max_sequence_length=8),
        tiny_axes=(dict(frames=3, height=8, width=8, text=8), dict(frames=2, height=12, width=8, text=8))),
]

if __name__ == "__main__":
    main(FAMILIES)
