"""Write family.json: a small family and its basis and coefficients, computed by numpy in double precision.

    python3 family.py > ../family.json

The family has one layer of two stacked parts (2,3) with biases, and a vector of 3. The sign of a direction is arbitrary,
so only the magnitudes of the coefficients are written. Needs numpy.
"""
import json
import numpy as np

MEMBERS, ROWS, COLS = 5, 4, 3
rng = np.random.default_rng(1)


def bf16(x):
    """Round to the nearest bfloat16, in which the mean is stored."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000).astype(np.uint32).view(np.float32).astype(np.float64)


base = rng.normal(size=(ROWS, COLS + 1))
spread = np.outer(0.5 ** np.arange(ROWS), 0.6 ** np.arange(COLS + 1))
hats = np.float32(base + 0.2 * spread * rng.normal(size=(MEMBERS, ROWS, COLS + 1)))
vectors = np.float32(1 + 0.1 * rng.normal(size=(MEMBERS, 3)))

mean = hats.astype(np.float64).mean(0)
mean[:, :COLS] = bf16(mean[:, :COLS])
Z = hats - mean
left, U = np.linalg.eigh(sum(z @ z.T for z in Z))
right, V = np.linalg.eigh(sum(z.T @ z for z in Z))
left, U, right, V = left[::-1], U[:, ::-1], right[::-1], V[:, ::-1]
energy = (Z ** 2).sum()
C = np.stack([U.T @ z @ V for z in Z])

print(json.dumps({
    'weights': [[h[:2, :COLS].ravel().tolist(), h[2:, :COLS].ravel().tolist()] for h in hats],
    'biases': [[h[:2, COLS].tolist(), h[2:, COLS].tolist()] for h in hats],
    'vectors': vectors.tolist(),
    'left': left.tolist(), 'right': right.tolist(), 'energy': energy,
    'rms': float(np.sqrt(energy / Z.size)),
    'scale': np.sqrt(np.outer(right, left) / (2 * energy * MEMBERS)).ravel().tolist(),  # (q,p)
    'coefficients': np.abs(C[0]).T.ravel().tolist(),  # (q,p), of the first member
}))
