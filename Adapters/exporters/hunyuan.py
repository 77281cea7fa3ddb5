"""HunyuanVideo and Framepack to ONNX."""
from exporting import Family, Fill, Input, main

TIMESTEP = Input("timestep", ("batch",), "float", Fill("constant", 500))
TEXT = (Input("encoder_hidden_states", ("batch", "text", "text_embed_dim")),
        Input("encoder_attention_mask", ("batch", "text"), "int64", Fill("prefix", 2)),
        Input("pooled_projections", ("batch", "pooled_projection_dim")))
GUIDANCE = Input("guidance", ("batch",), "float", Fill("constant", 6000))
AXES = dict(frames=17, height=68, width=120, text=256)
TINY = dict(in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8, num_layers=1,
            num_single_layers=1, num_refiner_layers=1, mlp_ratio=1.5, text_embed_dim=16, pooled_projection_dim=8,
            rope_axes_dim=(4, 2, 2))
TINY_AXES = (dict(frames=3, height=8, width=8, text=7), dict(frames=2, height=12, width=8, text=9))

FAMILIES = [
    Family(
        name="hunyuan-video", description="HunyuanVideo, text to video", model="HunyuanVideoTransformer3DModel",
        inputs=(Input("hidden_states", ("batch", "in_channels", "frames", "height", "width")), TIMESTEP, *TEXT,
                GUIDANCE),
        axes=AXES, tiny=TINY, tiny_axes=TINY_AXES),
    Family(
        name="framepack", description="HunyuanVideo Framepack, next frames from clean history",
        model="HunyuanVideoFramepackTransformer3DModel",
        inputs=(Input("hidden_states", ("batch", "in_channels", "frames", "height", "width")), TIMESTEP, *TEXT,
                Input("image_embeds", ("batch", "image", "image_proj_dim")),
                Input("indices_latents", ("frames",), "int64", Fill("integers", 9)), GUIDANCE,
                Input("latents_clean", ("batch", "in_channels", "clean", "height", "width")),
                Input("indices_latents_clean", ("clean",), "int64", Fill("integers", 9)),
                Input("latents_history_2x", ("batch", "in_channels", 2, "height", "width")),
                Input("indices_latents_history_2x", (2,), "int64", Fill("integers", 9)),
                Input("latents_history_4x", ("batch", "in_channels", 16, "height", "width")),
                Input("indices_latents_history_4x", (16,), "int64", Fill("integers", 9))),
        axes=dict(frames=9, height=64, width=80, text=256, image=729, clean=2),
        tiny=TINY | dict(has_image_proj=True, image_proj_dim=8, has_clean_x_embedder=True),
        tiny_axes=tuple(sizes | dict(image=4, clean=2) for sizes in TINY_AXES)),
]

if __name__ == "__main__":
    main(FAMILIES)
