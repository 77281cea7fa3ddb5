"""Latte, Allegro, Cosmos, EasyAnimate and Sana-Video to ONNX."""
import torch

from exporting import Family, Fill, Input, main

LATENTS = Input("hidden_states", ("batch", "in_channels", "frames", "height", "width"))
TIMESTEP = Input("timestep", ("batch",), "float", Fill("constant", 500))
AXES = dict(frames=16, height=64, width=64, text=120)
TINY = dict(num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=4, num_layers=1)
TINY_AXES = (dict(frames=3, height=8, width=8, text=7), dict(frames=2, height=12, width=8, text=9))
#: Where positions are constants of one size, only the text's length is open.
ONE_SIZE = (TINY_AXES[0], TINY_AXES[0] | dict(text=9))
SIZES = ("frames", "height", "width")


def allegro(model, inputs):
    """Rotary tables for whole latents, as the pipeline makes them: positions by axis, cosine and sine for each."""
    config, latents = model.config, inputs["hidden_states"]
    lengths = (latents.shape[2], latents.shape[3] // config.patch_size, latents.shape[4] // config.patch_size)
    scales = (config.interpolation_scale_t, config.interpolation_scale_h, config.interpolation_scale_w)
    size = config.attention_head_dim // 3
    tables, places = [], []
    for axis, (length, scale) in enumerate(zip(lengths, scales)):
        place = torch.arange(length)
        angles = torch.outer(place / scale, 1.0 / 10000 ** (torch.arange(0, size, 2).float() / size))
        tables.append((torch.cat([angles.cos()] * 2, dim=-1), torch.cat([angles.sin()] * 2, dim=-1)))
        places.append(place.view([-1 if k == axis else 1 for k in range(3)]).expand(lengths).reshape(1, -1))
    return model(latents, inputs["encoder_hidden_states"], inputs["timestep"],
                 encoder_attention_mask=inputs["encoder_attention_mask"], image_rotary_emb=(tables, places),
                 return_dict=False)[0]


def cosmos(model, inputs):
    return model(inputs["hidden_states"], inputs["timestep"], inputs["encoder_hidden_states"], fps=24,
                 return_dict=False)[0]


FAMILIES = [
    Family(
        name="latte", description="Latte, spatial and temporal blocks in turn", model="LatteTransformer3DModel",
        inputs=(LATENTS, TIMESTEP, Input("encoder_hidden_states", ("batch", "text", "caption_channels"))),
        axes=AXES, fixed=SIZES,
        tiny=TINY | dict(cross_attention_dim=16, sample_size=8, patch_size=2, caption_channels=16,
                         num_embeds_ada_norm=1000, norm_type="ada_norm_single", video_length=3,
                         norm_elementwise_affine=False),
        tiny_axes=ONE_SIZE),
    Family(
        name="allegro", description="Allegro", model="AllegroTransformer3DModel",
        inputs=(LATENTS, Input("encoder_hidden_states", ("batch", "text", "caption_channels")), TIMESTEP,
                Input("encoder_attention_mask", ("batch", "text"), "int64", Fill("prefix", 2))),
        axes=dict(frames=22, height=90, width=160, text=512),
        tiny=TINY | dict(attention_head_dim=12, cross_attention_dim=24, sample_height=8, sample_width=8,
                         sample_frames=3, caption_channels=16),
        tiny_axes=TINY_AXES, forward=allegro),
    Family(
        name="cosmos", description="Cosmos, without the padding mask's channel", model="CosmosTransformer3DModel",
        inputs=(LATENTS, TIMESTEP, Input("encoder_hidden_states", ("batch", "text", "text_embed_dim"))),
        axes=dict(frames=16, height=88, width=160, text=512),
        tiny=TINY | dict(attention_head_dim=12, mlp_ratio=1.5, text_embed_dim=16, adaln_lora_dim=4,
                         max_size=(4, 16, 16), concat_padding_mask=False, crossattn_proj_in_channels=16,
                         encoder_hidden_states_channels=16),
        tiny_axes=TINY_AXES, forward=cosmos),
    Family(
        name="easyanimate", description="EasyAnimate 5.1, text to video", model="EasyAnimateTransformer3DModel",
        inputs=(LATENTS, TIMESTEP, Input("encoder_hidden_states", ("batch", "text", "text_embed_dim"))),
        axes=dict(frames=13, height=48, width=84, text=256), fixed=SIZES,
        tiny=TINY | dict(attention_head_dim=16, patch_size=2, sample_width=8, sample_height=8, mmdit_layers=1,
                         time_embed_dim=8, text_embed_dim=16),
        tiny_axes=ONE_SIZE),
    Family(
        name="sana-video", description="Sana-Video, linear self-attention", model="SanaVideoTransformer3DModel",
        inputs=(LATENTS, Input("encoder_hidden_states", ("batch", "text", "caption_channels")), TIMESTEP),
        axes=dict(frames=21, height=60, width=104, text=300),
        tiny=TINY | dict(attention_head_dim=16, num_cross_attention_heads=2, cross_attention_head_dim=16,
                         cross_attention_dim=32,
                         caption_channels=16, mlp_ratio=1.0, sample_size=8, rope_max_seq_len=16),
        tiny_axes=TINY_AXES),
]

if __name__ == "__main__":
    main(FAMILIES)
