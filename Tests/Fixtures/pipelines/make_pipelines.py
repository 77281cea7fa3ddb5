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
from safetensors.numpy import save_file

HERE = Path(__file__).parent
ADAPTERS = HERE.parents[2] / "Adapters"
sys.path += [str(ADAPTERS / "exporters"), str(ADAPTERS / "sample-editor")]

import diffusers
import exporting
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


def texts(folder, names, shapes, seed=11):
    """Random embeddings, positive and negative, saved as the text file and returned as tensors."""
    random = np.random.default_rng(seed)
    arrays = {
        prefix + name: random.standard_normal(shape).astype(np.float32)
        for prefix in ("", "negative_") for name, shape in zip(names, shapes)}
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
    embeddings = texts(folder, ["prompt_embeds"], [(1, 7, 16)])

    one = made(wan_pipeline(high), embeddings, 5, guidance_scale=5.0)
    two = made(wan_pipeline(high, low), embeddings, 8, guidance_scale=4.0, guidance_scale_2=3.0)

    edited = family(wan.FAMILIES, "wan-in-context", **WAN)
    export(edited, high, axes | dict(source_frames=2), folder / "wan-in-context.onnx")
    source = clip(folder / "source.mkv", FRAMES, SIZE, SIZE)
    context = in_context(edited, high, vae, source, embeddings, 4, 5.0)
    del two["sample"]
    save(folder, one=one, two=two, context=context)


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


if __name__ == "__main__":
    torch.set_num_threads(2)
    torch.set_grad_enabled(False)
    make_wan()
