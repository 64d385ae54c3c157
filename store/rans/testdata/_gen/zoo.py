"""Write ../zoo.bin.gz: the quantised coefficients of one checkpoint of the zoo and their predicted scales.

    python3 zoo.py ZOO [CHECKPOINT]

It uses the family's directions without a metric and a step of 5.6 times the root-mean-square coefficient. The scales are
the rank-one fit of Laplace scales l_i*r_j to the mean magnitudes over the family, times one gain per layer. Needs numpy.

The file is gzipped and little-endian: u32 blocks; for each u32 rights, u32 lefts, f32 right[], f32 left[], i8 q[] right-major.
"""
import gzip, json, os, struct, sys
import numpy as np

DEPTH, STEP, MOST = 6, 5.6, 8


def load(path):
    raw = open(path, 'rb').read(); n, = struct.unpack('<Q', raw[:8]); header = json.loads(raw[8:8 + n]); header.pop('__metadata__', None)
    return {k: np.frombuffer(raw[8 + n + v['data_offsets'][0]:8 + n + v['data_offsets'][1]], np.float16).reshape(v['shape']).astype(np.float64)
            for k, v in header.items()}


def stacked(w):
    """Return the shared layers as matrices [W b], with query, key and value stacked, and the vectors as columns."""
    at = 'vit.encoder.layer.%d.'; layers = [['vit.embeddings.patch_embeddings.projection']]
    for i in range(DEPTH):
        p = at % i
        layers += [[p + 'attention.attention.' + s for s in ('query', 'key', 'value')], [p + 'attention.output.dense'],
                   [p + 'intermediate.dense'], [p + 'output.dense']]
    joined = lambda n: np.concatenate([w[n + '.weight'].reshape(len(w[n + '.bias']), -1), w[n + '.bias'][:, None]], 1)
    out = {ns[0]: np.concatenate([joined(n) for n in ns]) for ns in layers}; taken = {n for ns in layers for n in ns}
    return out, {k: v.reshape(-1, 1) for k, v in w.items() if k.rsplit('.', 1)[0] not in taken and not k.startswith('classifier')}


def rounding(scale):
    r = np.minimum(1 / np.maximum(scale, 1e-3), MOST); return 1 + np.log((1 - np.exp(-r)) / r) / r


def rank_one(e):
    """Return l and r, the maximum-likelihood Laplace scales l_i*r_j for mean magnitudes e."""
    l, r = np.ones(e.shape[0]), np.maximum(e.mean(0), 1e-12)
    for _ in range(50):
        l = np.maximum((e / r).mean(1), 1e-12); r = np.maximum((e / l[:, None]).mean(0), 1e-12)
    return l, r


def family(zoo):
    """Return the names of the models and, by layer and vector, their projected coefficients (models, left, right)."""
    names = sorted(os.listdir(zoo + '/models')); every = [stacked(load(f'{zoo}/models/{n}/model.safetensors')) for n in names]
    layers, vectors = {}, {}
    for k in every[0][0]:
        z = np.stack([e[0][k] for e in every]); z -= z.mean(0)
        U = np.linalg.eigh(np.einsum('nij,nkj->ik', z, z))[1][:, ::-1]; V = np.linalg.eigh(np.einsum('nij,nik->jk', z, z))[1][:, ::-1]
        layers[k] = U.T @ z @ V
    for k in every[0][1]:
        z = np.stack([e[1][k] for e in every]); vectors[k] = z - z.mean(0)
    return names, layers, vectors


def main():
    names, layers, vectors = family(sys.argv[1]); at = names.index(sys.argv[2]) if len(sys.argv) > 2 else len(names) // 2
    step = STEP * np.sqrt(np.mean([(c ** 2).mean() for c in layers.values()])); body = b''
    for c in (layers | vectors).values():
        e = np.abs(c).mean(0); l, r = rank_one(e) if e.shape[1] > 1 else ((e[:, 0] + e.mean()) / 2, np.ones(1))
        x = c[at] / step; l = l * (np.abs(x) / np.outer(l, r)).mean(); scale = np.outer(l, r)
        q = (np.sign(x) * np.floor(np.abs(x) + rounding(scale))).astype(np.int64); assert np.abs(q).max() < 128
        body += struct.pack('<II', len(r), len(l)) + r.astype('<f4').tobytes() + l.astype('<f4').tobytes() + q.T.astype('i1').tobytes()
    out = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'zoo.bin.gz')
    with open(out, 'wb') as f: f.write(gzip.compress(struct.pack('<I', len(layers) + len(vectors)) + body, 9, mtime=0))
    print(names[at], os.path.getsize(out), 'bytes')


if __name__ == '__main__': main()
