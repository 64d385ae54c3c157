"""Writes the golden files in the folder above: what Pillow and transformers compute.

    pip install 'pillow<13' numpy transformers opencv-python-headless
    python models/image/testdata/_gen/golden.py

Pillow 13 resizes vertically first where the height shrinks much more than the width, which rounds
differently. All versions before it, with which today's models were trained, resize horizontally
first. OpenCV writes the JPEGs whose subsampling Pillow does not support.
"""
import base64
import io
import json
import pathlib
import struct
import zlib

import cv2
import numpy as np
import PIL
from PIL import Image, ImageOps
import transformers
from transformers import CLIPImageProcessorPil, DeiTImageProcessorPil, ViTImageProcessorPil

HERE = pathlib.Path(__file__).resolve().parent.parent
MADE_BY = f"Pillow {PIL.__version__}, transformers {transformers.__version__}"


def b64(data):
    return base64.b64encode(bytes(data)).decode()


def noise(h, w, c):
    """Pixels that the test computes too: a 32-bit congruential generator's high byte, with doubled contrast."""
    x, out = 1, np.empty(h * w * c, np.uint8)
    for i in range(out.size):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = min(max(2 * (x >> 24) - 128, 0), 255)
    return out.reshape(h, w, c)


def write(name, cases):
    lines = ",\n".join("  " + json.dumps(c) for c in cases)
    (HERE / name).write_text(f'{{"made_by": "{MADE_BY}", "cases": [\n{lines}\n]}}\n')


# ---- resize

SIZES = [  # (height, width) before and after
    ((5, 7), (13, 11)), ((31, 29), (8, 6)), ((17, 23), (21, 21)), ((40, 9), (7, 16)), ((1, 1), (5, 4)),
    ((1, 9), (3, 4)), ((9, 1), (4, 3)), ((12, 12), (1, 1)), ((16, 16), (16, 7)), ((7, 16), (16, 16)),
    ((40, 40), (20, 20)), ((33, 33), (16, 16)), ((200, 3), (3, 2)), ((1, 300), (1, 8)), ((2, 2), (3, 3)),
]


def resize_cases():
    for resample in range(6):
        for i, (before, after) in enumerate(SIZES):
            c = 1 if i % 5 == 1 else 3
            pix = noise(*before, c)
            im = Image.fromarray(pix[..., 0] if c == 1 else pix)
            out = np.asarray(im.resize(after[::-1], resample))
            yield dict(resample=resample, before=before, after=after, channels=c, want=b64(out.tobytes()))


# ---- decode

def photo(h, w):
    """Smooth colours with a few hard edges."""
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    r = 127 + 120 * np.sin(x / 5 + y / 9)
    g = 127 + 120 * np.cos(x / 11 - y / 4)
    b = 255 * ((x // 6 + y // 5) % 2)
    return np.clip(np.stack([r, g, b], -1), 0, 255).astype(np.uint8)


def saved(im, kind, **options):
    f = io.BytesIO()
    im.save(f, kind, **options)
    return f.getvalue()


def png(h, w, depth, colour, rows, extra=b"", interlace=0):
    """A PNG of a kind that Pillow reads but does not write."""
    def chunk(tag, body):
        return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))
    header = struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, interlace)
    data = zlib.compress(b"".join(b"\0" + bytes(r) for r in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def trns(body):
    return struct.pack(">I", len(body)) + b"tRNS" + body + struct.pack(">I", zlib.crc32(b"tRNS" + body))


def adam7(pix):
    for y0, x0, dy, dx in [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]:
        for row in pix[y0::dy, x0::dx]:
            if row.size:
                yield row.tobytes()


def opencv_jpeg(rgb, sampling):
    ok, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling])
    assert ok
    return data.tobytes()


def oriented(turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    return exif


def png_files(rgb, alpha):
    h, w = rgb.shape[:2]
    im, wide = Image.fromarray(rgb), noise(h, w, 8).astype(np.uint8)
    yield "png rgb", saved(im, "png")
    yield "png rgba keeps the colour under alpha", saved(Image.fromarray(np.dstack([rgb, alpha])), "png")
    yield "png grey", saved(im.convert("L"), "png")
    yield "png grey with alpha", saved(Image.fromarray(np.dstack([rgb[..., 0], alpha]), "LA"), "png")
    yield "png one bit", saved(im.convert("1"), "png")
    yield "png grey of two bits", png(h, w, 2, 0, wide[:, : (w + 3) // 4, 0])
    yield "png grey of four bits", png(h, w, 4, 0, wide[:, : (w + 1) // 2, 0])
    yield "png palette", saved(im.quantize(200), "png")
    yield "png palette of four bits", saved(im.quantize(11), "png")
    yield "png palette with transparency", saved(im.quantize(16), "png", transparency=bytes(range(0, 160, 10)))
    yield "png rgb with a transparent colour", saved(im, "png", transparency=tuple(int(v) for v in rgb[0, 0]))
    yield "png rgb of sixteen bits", png(h, w, 16, 2, wide[..., :6])
    yield "png rgba of sixteen bits", png(h, w, 16, 6, wide)
    yield "png grey of sixteen bits is clipped", png(h, w, 16, 0, np.stack([wide[..., 0] // 128, wide[..., 1]], -1))
    yield "png grey of sixteen bits with a transparent level", png(h, w, 16, 0, np.stack([wide[..., 0] // 128, wide[..., 1]], -1), trns(b"\0\7"))
    yield "png grey with alpha of sixteen bits", png(h, w, 16, 4, wide[..., :4])
    yield "png interlaced", png(h, w, 8, 2, adam7(rgb), interlace=1)
    yield "png of orientation 6", saved(im, "png", exif=oriented(6))


def jpeg_files(rgb):
    im = Image.fromarray(rgb)
    for name, mode in [("4:4:4", 0), ("4:2:2", 1), ("4:2:0", 2)]:
        yield f"jpeg {name}", saved(im, "jpeg", quality=90, subsampling=mode)
    yield "jpeg 4:4:0", opencv_jpeg(rgb, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440)
    yield "jpeg 4:1:1", opencv_jpeg(rgb, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411)
    yield "jpeg 4:2:0 four wide", saved(Image.fromarray(rgb[:, :4].copy()), "jpeg", quality=90, subsampling=2)
    yield "jpeg 4:2:0 one pixel", saved(Image.fromarray(rgb[:1, :1].copy()), "jpeg", quality=90, subsampling=2)
    yield "jpeg progressive", saved(im, "jpeg", quality=80, progressive=True)
    yield "jpeg grey", saved(im.convert("L"), "jpeg", quality=90)
    yield "jpeg cmyk", saved(im.convert("CMYK"), "jpeg", quality=95)
    yield "jpeg rgb without conversion", saved(im, "jpeg", quality=90, keep_rgb=True)
    for turn in (0, *range(2, 10)):
        yield f"jpeg of orientation {turn}", saved(Image.fromarray(rgb[:5, :7].copy()), "jpeg", quality=90, exif=oriented(turn))


def grow_screen(gif):
    """A GIF whose screen is two pixels wider and three pixels higher than its first frame."""
    w, h = struct.unpack("<HH", gif[6:10])
    return gif[:6] + struct.pack("<HH", w + 2, h + 3) + gif[10:]


def gif_files(rgb):
    im = Image.fromarray(rgb)
    p = im.quantize(30)
    plain = saved(p, "gif", interlace=0)
    clear = saved(p, "gif", transparency=5)
    yield "gif", plain
    yield "gif interlaced", saved(p, "gif", interlace=1)
    yield "gif transparent", clear
    yield "gif frame smaller than the screen", grow_screen(plain)
    yield "gif transparent frame smaller than the screen", grow_screen(clear)
    yield "gif animated gives its first frame", saved(p, "gif", save_all=True, append_images=[im.rotate(180).quantize(20)])
    yield "gif grey", saved(im.convert("L"), "gif")


def webp_files(rgb, alpha):
    im, see = Image.fromarray(rgb), Image.fromarray(np.dstack([rgb, alpha]))
    yield "webp lossless", saved(im, "webp", lossless=True)
    yield "webp lossless with alpha", saved(see, "webp", lossless=True, exact=True)
    yield "webp lossy", saved(im, "webp", quality=80)
    yield "webp lossy even size", saved(Image.fromarray(rgb[:12, :18].copy()), "webp", quality=80)
    yield "webp lossy with alpha", saved(see, "webp", quality=80, exact=True)
    yield "webp of orientation 8", saved(im, "webp", lossless=True, exif=oriented(8))
    yield "webp lossy one pixel", saved(Image.fromarray(rgb[:1, :1].copy()), "webp", quality=80)


def decode_cases():
    rgb = photo(13, 19)
    alpha = noise(13, 19, 1)[..., 0]
    for files in (png_files(rgb, alpha), jpeg_files(rgb), gif_files(rgb), webp_files(rgb, alpha)):
        for name, data in files:
            colour, grey = (ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert(mode) for mode in ("RGB", "L"))
            yield dict(name=name, height=colour.height, width=colour.width, file=b64(data),
                       rgb=b64(colour.tobytes()), grey=b64(grey.tobytes()))


# ---- the whole pipeline

def pipeline_cases():
    jpeg = saved(Image.fromarray(photo(60, 90)), "jpeg", quality=90)
    alpha = np.tile(np.linspace(0, 255, 37).astype(np.uint8), (29, 1))
    clear = saved(Image.fromarray(np.dstack([photo(29, 37), alpha])), "png")
    square = dict(height=24, width=24)
    runs = [
        ("vit, jpeg", ViTImageProcessorPil(size=square), jpeg),
        ("vit, png with alpha, bicubic, a mean and deviation for each channel",
         ViTImageProcessorPil(size=square, resample=3, image_mean=[.485, .456, .406], image_std=[.229, .224, .225]), clear),
        ("clip, jpeg, shortest edge and crop", CLIPImageProcessorPil(size=dict(shortest_edge=28), crop_size=square), jpeg),
        ("clip, png, portrait", CLIPImageProcessorPil(size=dict(shortest_edge=25), crop_size=square),
         saved(Image.fromarray(photo(41, 30)), "png")),
        ("deit, png, square and crop", DeiTImageProcessorPil(size=dict(height=28, width=27), crop_size=square), clear),
        ("vit, png, only cropped, wider than the image is high", ViTImageProcessorPil(
            do_resize=False, do_center_crop=True, crop_size=square), saved(Image.fromarray(photo(17, 31)), "png")),
        ("vit, png, not rescaled", ViTImageProcessorPil(size=square, do_rescale=False), clear),
    ]
    for name, processor, data in runs:
        # convert("RGB") first, as the image loader of a pipeline does: processors that convert
        # composite alpha on white in some versions and drop it in others.
        out = processor(Image.open(io.BytesIO(data)).convert("RGB"), return_tensors="np")["pixel_values"][0]
        assert out.dtype == np.float32 and out.shape == (3, 24, 24), (out.dtype, out.shape)
        yield dict(name=name, config=json.loads(processor.to_json_string()), file=b64(data), want=b64(out.astype("<f4").tobytes()))


if __name__ == "__main__":
    write("resize.json", resize_cases())
    write("decode.json", decode_cases())
    write("pipeline.json", pipeline_cases())
