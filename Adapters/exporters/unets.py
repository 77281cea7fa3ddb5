"""Video UNets to ONNX: Stable Video Diffusion, AnimateDiff."""
import torch

from exporting import Family, Fill, Input, main


def image_to_video(model, inputs):
    """The image's latents join the noise on the channels."""
    sample = torch.cat([inputs["sample"], inputs["image_latents"]], dim=2)
    return model(sample, inputs["timestep"], inputs["encoder_hidden_states"], inputs["added_time_ids"],
                 return_dict=False)[0]


UNET = {"": "unet"}
TIMESTEP = Input("timestep", ("batch",), "float", Fill("constant", 500))
FAMILIES = [
    Family(
        name="svd", description="Stable Video Diffusion, image to video", model="UNetSpatioTemporalConditionModel",
        inputs=(Input("sample", ("batch", "frames", "out_channels", "height", "width")),
                Input("image_latents", ("batch", "frames", "in_channels - out_channels", "height", "width")),
                TIMESTEP, Input("encoder_hidden_states", ("batch", 1, "cross_attention_dim")),
                Input("added_time_ids", ("batch", 3), "float", Fill("integers", 7))),
        axes=dict(frames=25, height=72, width=128), output="prediction",
        tiny=dict(in_channels=8, out_channels=4, down_block_types=("DownBlockSpatioTemporal",),
                  up_block_types=("UpBlockSpatioTemporal",), block_out_channels=(32,), addition_time_embed_dim=8,
                  projection_class_embeddings_input_dim=24, layers_per_block=1, cross_attention_dim=8,
                  num_attention_heads=(4,), num_frames=3),
        tiny_axes=(dict(frames=3, height=8, width=8), dict(frames=2, height=8, width=12)), forward=image_to_video,
        components=UNET),
    Family(
        name="animatediff", description="AnimateDiff, text to video", model="UNetMotionModel",
        inputs=(Input("sample", ("batch", "in_channels", "frames", "height", "width")), TIMESTEP,
                Input("encoder_hidden_states", ("batch * frames", "text", "cross_attention_dim"))),
        axes=dict(frames=16, height=64, width=64, text=77), output="prediction",
        tiny=dict(sample_size=8, block_out_channels=(8,), layers_per_block=1,
                  down_block_types=("CrossAttnDownBlockMotion",), up_block_types=("UpBlockMotion",),
                  cross_attention_dim=16, num_attention_heads=2, motion_num_attention_heads=2, norm_num_groups=4,
                  motion_max_seq_length=8, use_motion_mid_block=False),
        tiny_axes=(dict(frames=3, height=8, width=8, text=5), dict(frames=2, height=8, width=12, text=7)),
        components=UNET),
]

if __name__ == "__main__":
    main(FAMILIES)
