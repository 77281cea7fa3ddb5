"""Schedules and trajectories of diffusers' schedulers (0.42.1), for Sources/VideoPipeline/Sampling: samplers.npz.

    pip install diffusers torch && python make_samplers.py

For every case and number of steps: the timesteps that the model is given, the noise levels, and x after each step of a
toy model, output = 0.6·x + 0.4·sin(2·x + t/scale) in float64, rounded to float32.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import (
    CogVideoXDDIMScheduler,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
)
from diffusers.pipelines.mochi.pipeline_mochi import linear_quadratic_schedule

STEPS = (1, 2, 7, 20)
TOKENS = 1536


def uniform(n):
    return np.linspace(1.0, 1 / n, n)


def mu(tokens, base=0.5, largest=1.15, base_tokens=256, largest_tokens=4096):
    return base + (largest - base) * (tokens - base_tokens) / (largest_tokens - base_tokens)


def flow(n, sigmas, mu=None, **configuration):
    scheduler = FlowMatchEulerDiscreteScheduler(**configuration)
    scheduler.set_timesteps(sigmas=sigmas(n), mu=mu)
    return scheduler


def unipc(n, shift):
    scheduler = UniPCMultistepScheduler(
        use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=shift, solver_order=2,
        solver_type="bh2", predict_x0=True, num_train_timesteps=1000)
    scheduler.set_timesteps(n)
    return scheduler


def diffusion(kind, n, **configuration):
    scheduler = kind(clip_sample=False, num_train_timesteps=1000, **configuration)
    scheduler.set_timesteps(n)
    return scheduler


CASES = {
    "flow-euler": lambda n: flow(n, uniform),
    "flow-euler-shift": lambda n: flow(n, uniform, shift=7.0),
    "flow-euler-tokens": lambda n: flow(n, uniform, mu=mu(TOKENS), use_dynamic_shifting=True),
    "flow-euler-terminal": lambda n: flow(
        n, uniform, mu=mu(TOKENS, 0.95, 2.05, 1024, 4096), use_dynamic_shifting=True, shift_terminal=0.1),
    "flow-euler-inverted": lambda n: flow(
        n, lambda n: np.array(linear_quadratic_schedule(n, 0.025)), invert_sigmas=True),
    "flow-unipc": lambda n: unipc(n, 3.0),
    "flow-unipc-plain": lambda n: unipc(n, 1.0),
    "ddim-cogvideox": lambda n: diffusion(
        CogVideoXDDIMScheduler, n, beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012,
        prediction_type="v_prediction", rescale_betas_zero_snr=True, snr_shift_scale=3.0, set_alpha_to_one=True,
        timestep_spacing="trailing"),
    "ddim-epsilon": lambda n: diffusion(
        DDIMScheduler, n, beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012,
        prediction_type="epsilon", set_alpha_to_one=False, steps_offset=1, timestep_spacing="leading"),
    "ddim-linear": lambda n: diffusion(
        DDIMScheduler, n, beta_schedule="linear", beta_start=0.0001, beta_end=0.02, prediction_type="v_prediction",
        timestep_spacing="linspace"),
}


def main():
    start = torch.from_numpy(np.random.default_rng(7).standard_normal(24).astype(np.float32)[None])
    arrays = {"start": start[0].numpy()}
    for name, make in CASES.items():
        for n in STEPS:
            if n == 1 and ("inverted" in name or "terminal" in name):
                continue  # both are undefined for a single step
            scheduler = make(n)
            x, track = start.clone(), []
            for t in scheduler.timesteps:
                wide = x.double()
                output = (0.6 * wide + 0.4 * torch.sin(2 * wide + t.double() / 1000)).float()
                x = scheduler.step(output, t, x, return_dict=False)[0].float()
                track.append(x[0].numpy())
            arrays[f"{name}/{n}/timesteps"] = scheduler.timesteps.double().numpy().astype(np.float32)
            arrays[f"{name}/{n}/x"] = np.stack(track)
            if hasattr(scheduler, "sigmas"):
                arrays[f"{name}/{n}/levels"] = scheduler.sigmas.numpy().astype(np.float32)
    np.savez_compressed(Path(__file__).with_name("samplers.npz"), **arrays)


if __name__ == "__main__":
    main()
