"""The VAE of Wan 2.1 to ONNX, encoder and decoder apart; the adapter has the scaling of the latents."""
from exporting import Family, Input, main


def encoded(model, inputs):
    """Pixels in [−1, 1] to the distribution's mode."""
    return model.encode(inputs["sample"], return_dict=False)[0].mode()


def decoded(model, inputs):
    return model.decode(inputs["latents"], return_dict=False)[0]


TINY = dict(base_dim=4, z_dim=4, dim_mult=[1, 1], num_res_blocks=1, temperal_downsample=[True])
FAMILIES = [
    Family(
        name="wan-vae-encoder", description="Wan 2.1 VAE, encoder", model="AutoencoderKLWan",
        inputs=(Input("sample", ("batch", "in_channels", "frames", "height", "width")),),
        axes=dict(frames=81, height=480, width=832), fixed=("frames",), output="latents", tiny=TINY,
        tiny_axes=(dict(frames=5, height=16, width=16), dict(frames=5, height=24, width=16)), forward=encoded,
        components={"": "vae"}),
    Family(
        name="wan-vae-decoder", description="Wan 2.1 VAE, decoder", model="AutoencoderKLWan",
        inputs=(Input("latents", ("batch", "z_dim", "frames", "height", "width")),),
        axes=dict(frames=21, height=60, width=104), fixed=("frames",), output="sample", tiny=TINY,
        tiny_axes=(dict(frames=3, height=8, width=8), dict(frames=3, height=12, width=8)), forward=decoded,
        components={"": "vae"}),
]

if __name__ == "__main__":
    main(FAMILIES)
