"""Whole runs of real families at a few kilobytes: models exported by Adapters/exporters, and what diffusers' own pipelines
make of the same random weights, from the same noise.

    pip install -r ../../../Adapters/exporters/requirements.txt safetensors && python make_pipelines.py

Writes a folder a family: the models, text.safetensors (with the negative text's arrays) and reference.npz.
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file

HERE = Path(__file__).parent
ADAPTERS = HERE.parents[2] / "Adapters"
sys.path += [str(ADAPTERS / "exporters"), str(ADAPTERS / "sample-editor")]

import cogvideox
import diffusers
import exporting
import flux
import hunyuan
import ltx
import mochi
import qwen_image_edit
import wan
import wan_vae
from noise import noise

SEED = 3


def family(families, name, **tiny):
    """A family of the exporters' tables with a smaller model yet."""
    found = next(f for f in families if f.name == name)
    return replace(found, tiny=found.tiny | tiny)


def export(family, model, axes, path):
    """Without the modules' names, which take more room than such weights."""
    written = exporting.export(family, model, family.axes | axes, exporter="dynamo", opset=20, dynamic=True, dtype="float32")
    for node in written.graph.all_nodes():
        node.metadata_props.clear()
    path.parent.mkdir(exist_ok=True)
    exporting.save(written, path)


def clip(path, frames, height, width):
    """Writes a smooth clip without loss, and gives it as the tool decodes it: float32 [1, 3, F, H, W] in [-1, 1]."""
    t, y, x = np.meshgrid(np.arange(frames), np.arange(height), np.arange(width), indexing="ij")
    channels = [np.sin(0.3 * x + 0.5 * t + k) * np.cos(0.2 * y - 0.3 * t + k) for k in range(3)]
    pixels = np.round((np.stack(channels, -1) + 1) * 127.5).astype(np.uint8)
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-i", "-",
         "-c:v", "ffv1", "-pix_fmt", "gbrp", "-bitexact", str(path)], input=pixels.tobytes(), check=True)
    return torch.from_numpy((pixels.astype(np.float32) / 127.5 - 1).transpose(3, 0, 1, 2)[None].copy())


def texts(folder, seed=11, **shapes):
    """Random embeddings, positive and negative, saved as the text file and given as tensors. A mask's last tokens are none."""
    random = np.random.default_rng(seed)
    arrays = {}
    for dropped, prefix in enumerate(("", "negative_"), start=1):
        for name, shape in shapes.items():
            if "mask" in name:
                array = np.broadcast_to(np.arange(shape[-1]) < shape[-1] - dropped, shape).astype(np.int64)
            else:
                array = random.standard_normal(shape).astype(np.float32)
            arrays[prefix + name] = array
    folder.mkdir(exist_ok=True)
    save_file(arrays, folder / "text.safetensors")
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def save(folder, **cases):
    """The reference: `case/latents`, as the transformer has them, and `case/sample`, the decoded clip."""
    np.savez_compressed(
        folder / "reference.npz", **{f"{case}/{key}": value for case, made in cases.items() for key, value in made.items()})


def unipc():
    return diffusers.UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=3.0)


# MARK: Wan

WAN = dict(in_channels=16, out_channels=16, num_layers=1)
FRAMES, SIZE = 5, 32
LATENTS = (1, 16, 2, 4, 4)


# Compression and scaling of the real VAE, which the adapter has.
VAE = dict(z_dim=16, dim_mult=[1, 1, 1, 1], temperal_downsample=[False, True, True])


def wan_vae_model():
    return exporting.tiny_model(family(wan_vae.FAMILIES, "wan-vae-decoder", **VAE), seed=5)


def wan_pipeline(high, low=None):
    return diffusers.WanPipeline(
        tokenizer=None, text_encoder=None, transformer=high, transformer_2=low, vae=wan_vae_model(), scheduler=unipc(),
        boundary_ratio=None if low is None else 0.875)


def made(pipeline, embeddings, steps, **arguments):
    """Latents and video of diffusers' pipeline."""
    pipeline.set_progress_bar_config(disable=True)

    def call(output):
        return pipeline(
            prompt_embeds=embeddings["prompt_embeds"], negative_prompt_embeds=embeddings["negative_prompt_embeds"],
            latents=torch.from_numpy(noise(LATENTS, SEED)), height=SIZE, width=SIZE, num_frames=FRAMES,
            num_inference_steps=steps, output_type=output, return_dict=False, **arguments)[0]

    # Frames first, values in [0, 1].
    video = call("pt").permute(0, 2, 1, 3, 4) * 2 - 1
    return {"latents": call("latent").numpy(), "sample": video.numpy()}


def make_wan():
    folder = HERE / "wan"
    kind = family(wan.FAMILIES, "wan-t2v", **WAN)
    high, low = exporting.tiny_model(kind, seed=1), exporting.tiny_model(kind, seed=2)
    axes = dict(frames=2, height=4, width=4, text=7)
    export(kind, high, axes, folder / "wan-high-noise.onnx")
    export(kind, low, axes, folder / "wan-low-noise.onnx")
    vae = wan_vae_model()
    export(wan_vae.FAMILIES[0], vae, dict(frames=FRAMES, height=SIZE, width=SIZE), folder / "vae-encoder.onnx")
    export(wan_vae.FAMILIES[1], vae, dict(frames=2, height=4, width=4), folder / "vae-decoder.onnx")
    embeddings = texts(folder, prompt_embeds=(1, 7, 16))

    one = made(wan_pipeline(high), embeddings, 5, guidance_scale=5.0)
    two = made(wan_pipeline(high, low), embeddings, 8, guidance_scale=4.0, guidance_scale_2=3.0)

    edited = family(wan.FAMILIES, "wan-in-context", **WAN)
    export(edited, high, axes | dict(source_frames=2), folder / "wan-in-context.onnx")
    source = clip(folder / "source.mkv", FRAMES, SIZE, SIZE)
    context = in_context(edited, high, vae, source, embeddings, 4, 5.0)
    vace = make_vace()
    del two["sample"], vace["sample"]
    save(folder, one=one, two=two, context=context, vace=vace)


@torch.no_grad()
def in_context(kind, model, vae, source, embeddings, steps, scale):
    """The loop of WanPipeline with the source's latents beside the sample's."""
    mean, deviation = (torch.tensor(values).view(1, -1, 1, 1, 1) for values in (
        vae.config.latents_mean, vae.config.latents_std))
    states = (vae.encode(source).latent_dist.mode() - mean) / deviation
    scheduler = unipc()
    scheduler.set_timesteps(steps)
    x = torch.from_numpy(noise(LATENTS, SEED))
    for t in scheduler.timesteps:
        def velocity(text):
            return kind.forward(model, dict(
                hidden_states=x, source_states=states, timestep=t.expand(1), encoder_hidden_states=embeddings[text]))

        negative, positive = velocity("negative_prompt_embeds"), velocity("prompt_embeds")
        x = scheduler.step(negative + scale * (positive - negative), t, x, return_dict=False)[0]
    return {"latents": x.numpy(), "sample": vae.decode(x * deviation + mean, return_dict=False)[0].numpy()}


def make_vace():
    """A clip that guides from beside, all of it to be made anew, as WanVACEPipeline does without a mask."""
    folder = HERE / "wan"
    kind = family(wan.FAMILIES, "wan-vace", in_channels=16, out_channels=16, vace_in_channels=96)
    model = exporting.tiny_model(kind, seed=4)
    export(kind, model, dict(frames=2, height=4, width=4, text=7), folder / "wan-vace.onnx")
    source = clip(folder / "source.mkv", FRAMES, SIZE, SIZE)
    pictures = [Image.fromarray(frame) for frame in
                torch.round((source[0].permute(1, 2, 3, 0) + 1) * 127.5).to(torch.uint8).numpy()]
    pipeline = diffusers.WanVACEPipeline(
        tokenizer=None, text_encoder=None, transformer=model, vae=wan_vae_model(), scheduler=unipc())
    embeddings = texts(folder, prompt_embeds=(1, 7, 16))
    return made(pipeline, embeddings, 4, guidance_scale=5.0, video=pictures)


def make_i2v():
    """A first frame to video, as WanImageToVideoPipeline does."""
    folder = HERE / "wan-i2v"
    folder.mkdir(exist_ok=True)
    kind = family(wan.FAMILIES, "wan-i2v", in_channels=36, out_channels=16)
    model, vae = exporting.tiny_model(kind, seed=7), wan_vae_model()
    export(kind, model, dict(frames=2, height=4, width=4, image=3), folder / "model.onnx")
    export(wan_vae.FAMILIES[0], vae, dict(frames=FRAMES, height=SIZE, width=SIZE), folder / "vae-encoder.onnx")
    embeddings = texts(folder, prompt_embeds=(1, 5, 16), image_embeds=(1, 3, 16))
    # The image is the same for both texts.
    arrays = {name: array.numpy() for name, array in embeddings.items() if name != "negative_image_embeds"}
    save_file(arrays | {"negative_image_embeds": arrays["image_embeds"]}, folder / "text.safetensors")
    source = clip(folder / "source.mkv", FRAMES, SIZE, SIZE)
    picture = Image.fromarray(
        torch.round((source[0, :, 0].permute(1, 2, 0) + 1) * 127.5).to(torch.uint8).numpy())
    pipeline = diffusers.WanImageToVideoPipeline(
        tokenizer=None, text_encoder=None, transformer=model, vae=vae, scheduler=unipc())
    pipeline.set_progress_bar_config(disable=True)
    pipeline.encode_image = lambda *_: embeddings["image_embeds"]
    # The graph takes 512 tokens of text, zeros after those there are.
    positive, negative = (torch.nn.functional.pad(embeddings[prefix + "prompt_embeds"], (0, 0, 0, 507))
                          for prefix in ("", "negative_"))
    latents = pipeline(
        image=picture, prompt_embeds=positive, negative_prompt_embeds=negative, latents=start(*LATENTS), height=SIZE, width=SIZE, num_frames=FRAMES, num_inference_steps=4, guidance_scale=5.0,
        output_type="latent", return_dict=False)[0]
    save(folder, one={"latents": latents.numpy()})


# MARK: Other families, latents alone


def latents_of(pipeline, steps, latents, embeddings, **arguments):
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        **embeddings, latents=latents, num_inference_steps=steps, output_type="latent", return_dict=False, **arguments)[0]


def start(*shape):
    return torch.from_numpy(noise(shape, SEED))


def make_hunyuan():
    folder = HERE / "hunyuan"
    kind = family(hunyuan.FAMILIES, "hunyuan-video")
    model = exporting.tiny_model(kind)
    export(kind, model, dict(frames=2, height=4, width=4, text=7), folder / "model.onnx")
    embeddings = texts(folder, prompt_embeds=(1, 7, 16), prompt_attention_mask=(1, 7), pooled_prompt_embeds=(1, 8))
    pipeline = diffusers.HunyuanVideoPipeline(
        text_encoder=None, tokenizer=None, text_encoder_2=None, tokenizer_2=None, vae=None, transformer=model,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0))
    positive = {name: array for name, array in embeddings.items() if not name.startswith("negative")}
    latents = latents_of(pipeline, 6, start(1, 4, 2, 4, 4), positive, num_frames=5, height=32, width=32, guidance_scale=6.0)
    save(folder, one={"latents": latents.numpy()})


def make_ltx():
    folder = HERE / "ltx"
    kind = family(ltx.FAMILIES, "ltx", num_layers=1)
    model = exporting.tiny_model(kind)
    export(kind, model, dict(frames=2, height=3, width=4, text=7), folder / "model.onnx")
    embeddings = texts(folder, prompt_embeds=(1, 7, 16), prompt_attention_mask=(1, 7))
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, base_shift=0.95, max_shift=2.05, base_image_seq_len=1024, max_image_seq_len=4096,
        shift_terminal=0.1)
    pipeline = diffusers.LTXPipeline(scheduler=scheduler, vae=None, text_encoder=None, tokenizer=None, transformer=model)
    tokens = start(1, 4, 24).transpose(1, 2)
    latents = latents_of(
        pipeline, 6, tokens, embeddings, num_frames=9, height=96, width=128, guidance_scale=3.0, frame_rate=25)
    save(folder, one={"latents": latents.transpose(1, 2).unflatten(2, (2, 3, 4)).numpy()})


def make_mochi():
    folder = HERE / "mochi"
    kind = family(mochi.FAMILIES, "mochi", in_channels=12, num_layers=1)
    model = exporting.tiny_model(kind)
    export(kind, model, dict(frames=2, height=4, width=4, text=8), folder / "model.onnx")
    embeddings = texts(folder, prompt_embeds=(1, 8, 16), prompt_attention_mask=(1, 8))
    given = {name: array.bool() if "mask" in name else array for name, array in embeddings.items()}
    pipeline = diffusers.MochiPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(invert_sigmas=True), vae=None, text_encoder=None, tokenizer=None,
        transformer=model)
    latents = latents_of(pipeline, 6, start(1, 12, 2, 4, 4), given, num_frames=7, height=32, width=32, guidance_scale=4.5)
    save(folder, one={"latents": latents.numpy()})


def make_cogvideox():
    """Exported for a batch of two: both branches of guidance in one call."""
    folder = HERE / "cogvideox"
    kind = family(cogvideox.FAMILIES, "cogvideox-2b", num_layers=1)
    model = exporting.tiny_model(kind)
    export(kind, model, dict(frames=3, height=8, width=8, batch=2), folder / "model.onnx")
    embeddings = texts(folder, prompt_embeds=(1, 6, 16))
    scheduler = diffusers.CogVideoXDDIMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, prediction_type="v_prediction", clip_sample=False,
        rescale_betas_zero_snr=True, snr_shift_scale=3.0, set_alpha_to_one=True, timestep_spacing="trailing")
    pipeline = diffusers.CogVideoXPipeline(
        tokenizer=None, text_encoder=None, vae=None, transformer=model, scheduler=scheduler)
    latents = latents_of(
        pipeline, 6, start(1, 4, 3, 8, 8).transpose(1, 2), embeddings, num_frames=9, height=64, width=64, guidance_scale=6.0)
    save(folder, one={"latents": latents.transpose(1, 2).numpy()})


def picture_encoder(folder):
    """A VAE of pictures, its encoder exported, and the pictures' latents before scaling."""
    torch.manual_seed(6)
    vae = diffusers.AutoencoderKL(
        block_out_channels=(4, 4, 4, 4), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=1, latent_channels=16, norm_num_groups=2,
        use_quant_conv=False, use_post_quant_conv=False).eval()
    kind = exporting.Family(
        name="vae-encoder", description="", model="AutoencoderKL", inputs=(exporting.Input("sample", (1, 3, "height", "width")),),
        axes=dict(height=64, width=64), output="latents", tiny={}, tiny_axes=({}, {}),
        forward=lambda model, inputs: model.encode(inputs["sample"], return_dict=False)[0].mode())
    export(kind, vae, {}, folder / "vae-encoder.onnx")
    source = clip(folder / "source.mkv", 1, 64, 64)[:, :, 0]
    return vae.encode(source, return_dict=False)[0].mode()


def make_flux():
    folder = HERE / "flux"
    kind = family(flux.FAMILIES, "flux-kontext", in_channels=64)
    model = exporting.tiny_model(kind)
    export(kind, model, dict(target=16, reference=16, text=5), folder / "model.onnx")
    embeddings = texts(folder, prompt_embeds=(1, 5, 16), pooled_prompt_embeds=(1, 8))
    source = (picture_encoder(folder) - 0.1159) * 0.3611
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15, base_image_seq_len=256, max_image_seq_len=4096)
    pipeline = diffusers.FluxKontextPipeline(
        scheduler=scheduler, vae=None, text_encoder=None, tokenizer=None, text_encoder_2=None, tokenizer_2=None,
        transformer=model)
    positive = {name: array for name, array in embeddings.items() if not name.startswith("negative")}
    latents = latents_of(
        pipeline, 6, pipeline._pack_latents(start(1, 16, 8, 8), 1, 16, 8, 8), positive, image=source, height=64, width=64,
        guidance_scale=2.5, max_area=64 * 64, _auto_resize=False)
    save(folder, one={"latents": pipeline._unpack_latents(latents, 64, 64, 8)[:, :, None].numpy()})


def make_qwen():
    """The pipeline resizes every source to 1024 × 1024 pixels; this is its loop at a size of its own."""
    folder = HERE / "qwen"
    kind = family(qwen_image_edit.FAMILIES, "qwen-image-edit", in_channels=64, out_channels=16, num_layers=1)
    model = exporting.tiny_model(kind)
    vae = wan_vae_model()
    export(kind, model, dict(height=8, width=8, reference_height=8, reference_width=8, text=5), folder / "model.onnx")
    export(wan_vae.FAMILIES[0], vae, dict(frames=1, height=64, width=64), folder / "vae-encoder.onnx")
    embeddings = texts(folder, prompt_embeds=(1, 5, 16))
    mean, deviation = (torch.tensor(values).view(1, -1, 1, 1) for values in (
        vae.config.latents_mean, vae.config.latents_std))
    source = (vae.encode(clip(folder / "source.mkv", 1, 64, 64)).latent_dist.mode()[:, :, 0] - mean) / deviation
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, base_shift=0.5, max_shift=0.9, base_image_seq_len=256, max_image_seq_len=8192,
        shift_terminal=0.02)
    steps = 6
    shift = 0.5 + (0.9 - 0.5) * (16 - 256) / (8192 - 256)
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=shift)
    packed = qwen_image_edit.packed
    x = packed(start(1, 16, 8, 8))
    reference, shapes = packed(source), [[(1, 4, 4), (1, 4, 4)]]
    for t in scheduler.timesteps:
        def velocity(text):
            return model(torch.cat([x, reference], dim=1), timestep=t.expand(1) / 1000, img_shapes=shapes,
                         encoder_hidden_states=embeddings[text], return_dict=False)[0][:, :16]

        positive, negative = velocity("prompt_embeds"), velocity("negative_prompt_embeds")
        guided = negative + 4.0 * (positive - negative)
        guided = guided * (positive.norm(dim=-1, keepdim=True) / guided.norm(dim=-1, keepdim=True))
        x = scheduler.step(guided, t, x, return_dict=False)[0]
    latents = x.unflatten(2, (16, 2, 2)).unflatten(1, (4, 4)).permute(0, 3, 1, 4, 2, 5).reshape(1, 16, 1, 8, 8)
    save(folder, one={"latents": latents.numpy()})


MAKERS = {name[5:]: maker for name, maker in list(globals().items()) if name.startswith("make_") and name != "make_vace"}

if __name__ == "__main__":
    torch.set_num_threads(2)
    torch.set_grad_enabled(False)
    for name in sys.argv[1:] or MAKERS:
        MAKERS[name]()
