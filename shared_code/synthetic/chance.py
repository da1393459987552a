"""Reproducible chance: one stream per seed and step, and quick draws from many small distributions."""

from __future__ import annotations

from zlib import crc32

import numpy as np


def stream(seed: int, step: str) -> np.random.Generator:
    """Give the random numbers of one step; steps do not disturb each other."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, crc32(step.encode())])))


def draw(rng: np.random.Generator, weights: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Draw one column per entry of `row`, with the weights (rows x columns) of that row."""
    shares = weights / weights.sum(axis=1, keepdims=True)
    edges = np.cumsum(shares, axis=1)
    edges[:, -1] = 1.0
    flat = (edges + np.arange(len(weights))[:, None]).ravel()
    found = np.searchsorted(flat, row + rng.random(len(row)), side="right")
    return np.clip(found - row * weights.shape[1], 0, weights.shape[1] - 1)


def pick(rng: np.random.Generator, weights: np.ndarray, size: int) -> np.ndarray:
    """Draw `size` columns with the same weights."""
    return draw(rng, np.asarray(weights, dtype=float)[None, :], np.zeros(size, dtype=np.int64))
