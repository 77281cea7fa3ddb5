"""The VAE of Wan 2.1 to ONNX, encoder and decoder apart; latents are normalised as the transformer wants them."""
import torch

from exporting import Family, Input, main


def statistics(model, like):
    """Mean and standard deviation by channel, [1, C, 1, 1, 1]."""
    return [torch.tensor(values).view(1, -1, 1, 1, 1).to(like) for values in (model.config.latents_mean, model.config.latents_std)]


def encoded(model, inputs):
    """Pixels in [−1, 1] to the distribution's mode."""
    latents = model.encode(inputs["sample"], return_dict=False)[0].mode()
    mean, deviation = statistics(model, latents)
    return (latents - mean) / deviation


def decoded(model, inputs):
    mean, deviation = statistics(model, inputs["latents"])
    return model.decode(inputs["latents"] * deviation + mean, return_dict=False)[0]


TINY = dict(base_dim=4, z_dim=4, dim_mult=[1, 1], num_res_blocks=1, temperal_downsample=[True],
            latents_mean=[0.1, -0.2, 0.3, 0.0], latents_std=[1.5, 2.0, 2.5, 1.0], scale_factor_temporal=2,
            scale_factor_spatial=2)
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
