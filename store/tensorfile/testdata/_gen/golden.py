"""Write the golden files in the parent directory with the reference implementation.

    pip install safetensors numpy ml_dtypes && python golden.py

golden.safetensors holds a tensor of every type, a scalar, an empty tensor and
metadata. half.safetensors holds a digest of all 65,536 halves as numpy converts
them to float32.
"""

import hashlib
import pathlib

import numpy as np
from ml_dtypes import bfloat16
from safetensors.numpy import save_file

out = pathlib.Path(__file__).resolve().parent.parent

arrays = {
    "bf16": np.array([1.0, -2.0, 3.140625], bfloat16),
    "bool": np.array([True, False, True]),
    "u8": np.array([0, 7, 255], np.uint8),
    "i8": np.array([-128, 127], np.int8),
    "i16": np.array([-300], np.int16),
    "u16": np.array([65535], np.uint16),
    "f16": np.array([[1, -2, 65504], [6e-8, 0.1, -0.0]], np.float16),
    "i32": np.array([-70000, 3], np.int32),
    "u32": np.array([4000000000], np.uint32),
    "f32": np.array([[1.5, -2.25]], np.float32),
    "f64": np.array([0.1, 1e300], np.float64),
    "i64": np.array([-(2**40), 5], np.int64),
    "u64": np.array([2**63], np.uint64),
    "scalar": np.array(42, np.float32),
    "empty": np.zeros((0, 4), np.float32),
}
save_file(arrays, out / "golden.safetensors", {"format": "pt", "note": "ᰀ <&>"})

halves = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32)
digest = hashlib.sha256(halves[~np.isnan(halves)].tobytes()).digest()
save_file({"sha256": np.frombuffer(digest, np.uint8)}, out / "half.safetensors")
