"""CogVideoX to ONNX. The rotary tables of the 5B model are inputs; diffusers' `get_3d_rotary_pos_embed` makes them."""
from exporting import Family, Fill, Input, main


def with_tables(model, inputs):
    tables = (inputs["rotary_cos"], inputs["rotary_sin"]) if "rotary_cos" in inputs else None
    return model(inputs["hidden_states"], inputs["encoder_hidden_states"], inputs["timestep"], image_rotary_emb=tables,
                 return_dict=False)[0]


INPUTS = (Input("hidden_states", ("batch", "frames", "in_channels", "height", "width")),
          Input("encoder_hidden_states", ("batch", "max_text_seq_length", "text_embed_dim")),
          Input("timestep", ("batch",), "int64", Fill("constant", 500)))
TABLE = ("frames * height * width // patch_size ** 2", "attention_head_dim")
AXES = dict(frames=13, height=60, width=90)
TINY = dict(num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=4, time_embed_dim=8,
            text_embed_dim=16, num_layers=1, sample_width=8, sample_height=8, sample_frames=9, patch_size=2,
            max_text_seq_length=6)
TINY_AXES = (dict(frames=3, height=8, width=8), dict(frames=2, height=12, width=8))

FAMILIES = [
    Family(
        name="cogvideox-5b", description="CogVideoX 5B, rotary positions", model="CogVideoXTransformer3DModel",
        inputs=(*INPUTS, Input("rotary_cos", TABLE), Input("rotary_sin", TABLE)),
        axes=AXES, tiny=TINY | dict(use_rotary_positional_embeddings=True), tiny_axes=TINY_AXES, forward=with_tables),
    Family(
        name="cogvideox-2b", description="CogVideoX 2B, sinusoidal positions", model="CogVideoXTransformer3DModel",
        inputs=INPUTS, axes=AXES, fixed=tuple(AXES), tiny=TINY, tiny_axes=(TINY_AXES[0], TINY_AXES[0]),
        forward=with_tables),
]

if __name__ == "__main__":
    main(FAMILIES)
