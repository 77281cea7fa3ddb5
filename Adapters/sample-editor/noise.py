"""The seeded noise that sampling starts from (README.md: Noise)."""
import numpy as np


def noise(shape, seed):
    """Standard normal noise of a seed: SplitMix64 by element, then Box and Muller's transform."""
    n = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + (np.arange(n, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    a = ((z >> np.uint64(32)).astype(np.float64) + 0.5) / 4294967296.0
    b = ((z & np.uint64(0xFFFFFFFF)).astype(np.float64) + 0.5) / 4294967296.0
    return (np.sqrt(-2 * np.log(a)) * np.cos(2 * np.pi * b)).astype(np.float32).reshape(shape)
