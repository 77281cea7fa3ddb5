"""LTX-Video to ONNX: latents as a video; the graph makes the tokens."""
from exporting import Family, Fill, Input, main

FRAME_RATE = 25
#: Seconds and pixels of a latent frame, row and column: the VAE takes 8 frames and 32 × 32 pixels for one.
ROTARY_SCALE = (8 / FRAME_RATE, 32, 32)


def from_video(model, inputs):
    latents = inputs["hidden_states"]
    frames, height, width = latents.shape[2:]
    output = model(latents.flatten(2).transpose(1, 2), inputs["encoder_hidden_states"], inputs["timestep"][:, None],
                   inputs["encoder_attention_mask"], num_frames=frames, height=height, width=width,
                   rope_interpolation_scale=ROTARY_SCALE, return_dict=False)[0]
    return output.transpose(1, 2).unflatten(2, (frames, height, width))


FAMILIES = [
    Family(
        name="ltx", description="LTX-Video", model="LTXVideoTransformer3DModel",
        inputs=(Input("hidden_states", ("batch", "in_channels", "frames", "height", "width")),
                Input("timestep", ("batch",), "float", Fill("constant", 500)),
                Input("encoder_hidden_states", ("batch", "text", "caption_channels")),
                Input("encoder_attention_mask", ("batch", "text"), "int64", Fill("prefix", 2))),
        axes=dict(frames=21, height=16, width=24, text=128),
        tiny=dict(in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8, cross_attention_dim=16,
                  num_layers=1, caption_channels=16),
        tiny_axes=(dict(frames=3, height=4, width=4, text=7), dict(frames=2, height=6, width=4, text=9)),
        forward=from_video),
]

if __name__ == "__main__":
    main(FAMILIES)
