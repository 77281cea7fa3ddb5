"""Wan 2.1 and 2.2 to ONNX: text to video, image to video, in-context editing, VACE."""
import torch
import torch.nn.functional as F

from exporting import Family, Fill, Input, main


class PlainRotary:
    """Wan's attention with the rotation written as stack and flatten. diffusers assigns into slices of an empty tensor,
    where tracing fixes the length of the sequence."""

    _attention_backend = None
    _parallel_config = None
    #: Tokens of text at the end of an image-conditioned context.
    text_tokens = 512

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, rotary_emb=None):
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        image = None
        if attn.add_k_proj is not None and encoder_hidden_states is not None:
            image, context = context[:, :-self.text_tokens], context[:, -self.text_tokens:]

        def split(x):
            return x.unflatten(2, (attn.heads, -1))

        query = split(attn.norm_q(attn.to_q(hidden_states)))
        key, value = split(attn.norm_k(attn.to_k(context))), split(attn.to_v(context))
        if rotary_emb is not None:
            query, key = self.rotated(query, *rotary_emb), self.rotated(key, *rotary_emb)
        output = self.attention(query, key, value, attention_mask)
        if image is not None:
            key, value = split(attn.norm_added_k(attn.add_k_proj(image))), split(attn.add_v_proj(image))
            output = output + self.attention(query, key, value)
        return attn.to_out[1](attn.to_out[0](output))

    @staticmethod
    def rotated(x, cos, sin):
        real, imaginary = x.unflatten(-1, (-1, 2)).unbind(-1)
        cos, sin = cos[..., 0::2], sin[..., 1::2]
        turned = torch.stack([real * cos - imaginary * sin, real * sin + imaginary * cos], -1)
        return turned.flatten(3).type_as(x)

    @staticmethod
    def attention(query, key, value, mask=None):
        query, key, value = (x.transpose(1, 2) for x in (query, key, value))
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(2)


def traceable(model, exporter):
    if exporter == "torchscript":
        for block in [*model.blocks, *getattr(model, "vace_blocks", [])]:
            block.attn1.set_processor(PlainRotary())
            block.attn2.set_processor(PlainRotary())


def in_context(model, inputs):
    """Target and source latents side by side in time: tokens stand target | source, and only the target's leave."""
    target = inputs["hidden_states"]
    both = torch.cat([target, inputs["source_states"]], dim=2)
    output = model(both, inputs["timestep"], inputs["encoder_hidden_states"], return_dict=False)[0]
    return output[:, :, :target.shape[2]]


def image_to_video(model, inputs):
    """The condition (mask and latents of the first frame) joins the noise on the channels."""
    latents = torch.cat([inputs["hidden_states"], inputs["condition"]], dim=1)
    return model(latents, inputs["timestep"], inputs["encoder_hidden_states"], inputs["encoder_hidden_states_image"],
                 return_dict=False)[0]


LATENTS = ("in_channels", "frames", "height", "width")
TIMESTEP = Input("timestep", ("batch",), "float", Fill("constant", 500))
TEXT = Input("encoder_hidden_states", ("batch", "text", "text_dim"))
AXES = dict(frames=21, height=60, width=104, text=512)
TINY = dict(num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=4, text_dim=16, freq_dim=16,
            ffn_dim=24, num_layers=1, rope_max_seq_len=32)
TINY_AXES = (dict(frames=3, height=8, width=8, text=7), dict(frames=2, height=12, width=8, text=9))

FAMILIES = [
    Family(
        name="wan-t2v", description="Wan 2.1, text to video", model="WanTransformer3DModel",
        inputs=(Input("hidden_states", ("batch", *LATENTS)), TIMESTEP, TEXT),
        axes=AXES, tiny=TINY | dict(num_layers=2), tiny_axes=TINY_AXES, prepare=traceable),
    Family(
        name="wan-in-context", description="Wan 2.1, tokens of target and source in one sequence",
        model="WanTransformer3DModel",
        inputs=(Input("hidden_states", ("batch", *LATENTS)),
                Input("source_states", ("batch", "in_channels", "source_frames", "height", "width")), TIMESTEP, TEXT),
        axes=AXES | dict(source_frames=21), tiny=TINY,
        tiny_axes=tuple(sizes | dict(source_frames=sizes["frames"]) for sizes in TINY_AXES),
        forward=in_context, prepare=traceable),
    Family(
        name="wan22-t2v", description="Wan 2.2, text to video, one transformer for high and one for low noise",
        model="WanTransformer3DModel",
        inputs=(Input("hidden_states", ("batch", *LATENTS)), TIMESTEP, TEXT),
        axes=AXES, tiny=TINY, tiny_axes=TINY_AXES, prepare=traceable,
        components={"-high-noise": "transformer", "-low-noise": "transformer_2"}),
    # diffusers takes the last 512 tokens of an image-conditioned context for text.
    Family(
        name="wan-i2v", description="Wan 2.1, image to video", model="WanTransformer3DModel",
        inputs=(Input("hidden_states", ("batch", "out_channels", *LATENTS[1:])),
                Input("condition", ("batch", "in_channels - out_channels", *LATENTS[1:])), TIMESTEP,
                Input("encoder_hidden_states", ("batch", 512, "text_dim")),
                Input("encoder_hidden_states_image", ("batch", "image", "image_dim"))),
        axes={k: v for k, v in AXES.items() if k != "text"} | dict(image=257),
        tiny=TINY | dict(in_channels=8, image_dim=16, added_kv_proj_dim=16),
        tiny_axes=tuple(sizes | dict(image=sizes["text"]) for sizes in TINY_AXES),
        forward=image_to_video, prepare=traceable),
    Family(
        name="wan-vace", description="Wan 2.1 VACE, controlled by a video", model="WanVACETransformer3DModel",
        inputs=(Input("hidden_states", ("batch", *LATENTS)), TIMESTEP, TEXT,
                Input("control_hidden_states", ("batch", "vace_in_channels", *LATENTS[1:]))),
        axes=AXES, tiny=TINY | dict(vace_layers=[0], vace_in_channels=8), tiny_axes=TINY_AXES,
        prepare=traceable),
    Family(
        name="skyreels-v2", description="SkyReels-V2, text to video", model="SkyReelsV2Transformer3DModel",
        inputs=(Input("hidden_states", ("batch", *LATENTS)), TIMESTEP, TEXT),
        axes=AXES, tiny=TINY, tiny_axes=TINY_AXES, prepare=traceable),
]

if __name__ == "__main__":
    main(FAMILIES)
