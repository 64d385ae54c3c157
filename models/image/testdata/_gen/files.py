"""Writes files.json in the folder above: files of unusual kinds and with faults, as Pillow reads them.

    pip install 'pillow<13' numpy
    apt install libjpeg-turbo-progs        # cjpeg
    python models/image/testdata/_gen/files.py

A case without pixels is one that Pillow refuses, with its message.
"""
import base64
import io
import json
import pathlib
import random
import struct
import subprocess
import tempfile
import warnings
import zlib

import numpy as np
import PIL
from PIL import Image, ImageOps, features

HERE = pathlib.Path(__file__).resolve().parent.parent
rng = random.Random(1)


def b64(data):
    return base64.b64encode(bytes(data)).decode()


def photo(h, w, shift=0):
    """Smooth colours with a few hard edges."""
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    r = 127 + 120 * np.sin(x / 5 + y / 9 + shift)
    g = 127 + 120 * np.cos(x / 11 - y / 4 + shift)
    b = 255 * ((x // 6 + y // 5) % 2)
    return np.clip(np.stack([r, g, b], -1), 0, 255).astype(np.uint8)


def saved(im, kind, **options):
    f = io.BytesIO()
    im.save(f, kind, **options)
    return f.getvalue()


def exif(orientation, tag=0x0112):
    e = Image.Exif()
    e[tag] = orientation
    return e.tobytes()


def tiff(orientation, tag=0x0112):
    return exif(orientation, tag)[6:]


def xmp(orientation):
    return b'<x:xmpmeta><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>' % orientation


# ---- JPEG

SCRIPT = """
0 1 2: 0-0, 0, 2;
0: 1-5, 0, 2;
2: 1-63, 0, 1;
1: 1-63, 0, 1;
0: 6-63, 0, 2;
0: 1-63, 2, 1;
0 1 2: 0-0, 2, 1;
0 1 2: 0-0, 1, 0;
2: 1-63, 1, 0;
1: 1-63, 1, 0;
0: 1-63, 1, 0;
"""


def cjpeg(rgb, *options, scans=None):
    with tempfile.NamedTemporaryFile("w") as f:
        if scans:
            f.write(scans)
            f.flush()
            options += ("-scans", f.name)
        ppm = b"P6 %d %d 255\n" % (rgb.shape[1], rgb.shape[0]) + rgb.tobytes()
        return subprocess.run(["cjpeg", *options], input=ppm, capture_output=True, check=True).stdout


def segments(jpeg):
    """The segments before the first scan, and the rest."""
    at, found = 2, []
    while jpeg[at + 1] != 0xDA:
        n = 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        found.append(jpeg[at : at + n])
        at += n
    return found, jpeg[at:]


def without(jpeg, marker):
    found, rest = segments(jpeg)
    return b"\xff\xd8" + b"".join(s for s in found if s[1] != marker) + rest


def with_segment(jpeg, marker, body):
    return jpeg[:2] + struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body + jpeg[2:]


def with_frame(jpeg, at, value):
    found, rest = segments(jpeg)
    i = next(i for i, s in enumerate(found) if 0xC0 <= s[1] <= 0xC2)
    s = bytearray(found[i])
    s[at] = value
    found[i] = bytes(s)
    return b"\xff\xd8" + b"".join(found) + rest


def jpeg_files():
    rgb = photo(13, 19)
    for factors in ["1x1,1x2,1x2", "2x2,1x1,1x2", "1x1,2x2,2x2", "4x2,1x1,1x1", "1x4,1x1,1x1", "3x1,1x1,1x1",
                    "2x1,1x2,1x1", "4x1,2x1,1x1", "1x2,2x1,1x1", "3x2,1x1,1x1"]:
        yield f"jpeg {factors}", cjpeg(rgb, "-sample", factors)
    yield "jpeg 1x1,2x2,1x2 two wide", cjpeg(rgb[:, :2].copy(), "-sample", "1x1,2x2,1x2")
    yield "jpeg progressive 1x2,2x1,1x1", cjpeg(rgb, "-sample", "1x2,2x1,1x1", scans=SCRIPT)
    yield "jpeg in three scans 2x1,1x2,2x2", cjpeg(rgb, "-sample", "2x1,1x2,2x2", scans="0;\n1;\n2;\n")
    yield "jpeg restarts 1x1,1x2,1x2", cjpeg(rgb, "-sample", "1x1,1x2,1x2", "-restart", "1B")
    yield "jpeg rgb 2x2,1x1,1x1", cjpeg(rgb, "-rgb", "-sample", "2x2,1x1,1x1")
    yield "jpeg arithmetic", cjpeg(rgb, "-arithmetic")
    yield "jpeg arithmetic 1x1 of quality 100", cjpeg(rgb, "-arithmetic", "-sample", "1x1", "-quality", "100")
    yield "jpeg arithmetic grey", cjpeg(rgb, "-arithmetic", "-grayscale")
    yield "jpeg arithmetic restarts", cjpeg(rgb, "-arithmetic", "-restart", "1B")
    yield "jpeg arithmetic progressive", cjpeg(rgb, "-arithmetic", scans=SCRIPT)
    yield "jpeg arithmetic progressive restarts", cjpeg(rgb, "-arithmetic", "-restart", "1B", scans=SCRIPT)
    cmyk = saved(Image.fromarray(rgb).convert("CMYK"), "jpeg", quality=92)
    yield "jpeg cmyk without a marker", without(cmyk, 0xEE)
    yield "jpeg cmyk progressive without a marker", without(
        saved(Image.fromarray(rgb).convert("CMYK"), "jpeg", quality=92, progressive=True), 0xEE)
    plain = cjpeg(rgb, "-sample", "1x1,1x2,1x2")
    yield "jpeg without huffman tables", without(cjpeg(rgb), 0xC4)
    yield "jpeg without a jfif marker 1x1,1x2,1x2", without(plain, 0xE0)
    yield "jpeg with garbage before the end", plain[:-2] + b"garbage" + plain[-2:]
    yield "jpeg with garbage after the end", plain + b"garbage"
    yield "jpeg cut short, and ended 1x1,1x2,1x2", plain[:-60] + b"\xff\xd9"
    yield "jpeg cut short", plain[:-60]
    yield "jpeg without an end", plain[:-2]
    yield "jpeg arithmetic cut short", cjpeg(rgb, "-arithmetic")[:-60]
    restarts = cjpeg(photo(16, 96), "-sample", "1x1,1x2,1x2", "-restart", "2B")
    second = restarts.index(b"\xff\xd1")
    yield "jpeg with a lost restart marker 1x1,1x2,1x2", restarts[:second] + restarts[second + 2 :]
    yield "jpeg with a lost interval 1x1,1x2,1x2", restarts[:second] + restarts[restarts.index(b"\xff\xd2") :]
    yield "jpeg 12 bits", with_frame(plain, 4, 12)
    yield "jpeg lossless", with_frame(plain, 1, 0xC3)
    yield "jpeg hierarchical", with_frame(plain, 1, 0xC5)
    yield "jpeg 3x1,2x1,1x1", with_frame(cjpeg(rgb, "-sample", "3x1,1x1,1x1"), 14, 0x21)

    small = saved(Image.fromarray(rgb[:5, :7].copy()), "jpeg", quality=90)
    app1 = b"http://ns.adobe.com/xap/1.0/\0"
    for turn in (1, 6, 9):
        yield f"jpeg xmp of orientation {turn}", with_segment(small, 0xE1, app1 + xmp(turn))
    yield "jpeg xmp as an element", with_segment(small, 0xE1, app1 + b"<tiff:Orientation>8</tiff:Orientation>")
    yield "jpeg exif before xmp", with_segment(with_segment(small, 0xE1, app1 + xmp(6)), 0xE1, exif(3))
    yield "jpeg exif upright before xmp", with_segment(with_segment(small, 0xE1, app1 + xmp(6)), 0xE1, exif(1))
    yield "jpeg exif without an orientation", with_segment(with_segment(small, 0xE1, app1 + xmp(6)), 0xE1, exif("x", 0x0110))
    yield "jpeg exif in two segments", with_segment(with_segment(small, 0xE1, b"Exif\0\0" + exif(5)[20:]), 0xE1, exif(5)[:20])


# ---- PNG

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(tag, body, crc=None):
    crc = zlib.crc32(tag + body) if crc is None else crc
    return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", crc)


def png(h, w, depth, colour, idat, before=b"", after=b"", interlace=0, compression=0):
    header = struct.pack(">IIBBBBB", w, h, depth, colour, compression, 0, interlace)
    return SIGNATURE + chunk(b"IHDR", header) + before + chunk(b"IDAT", idat) + after + chunk(b"IEND", b"")


def filtered(h, w, bits, interlace):
    """Rows of random bytes and filters."""
    steps = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    for y0, x0, dy, dx in steps if interlace else [(0, 0, 1, 1)]:
        rows, columns = len(range(y0, h, dy)), len(range(x0, w, dx))
        for _ in range(rows if columns else 0):
            yield bytes([rng.randrange(5)]) + rng.randbytes((columns * bits + 7) // 8)


def png_files():
    rgb = photo(9, 11)
    rows = b"".join(b"\0" + r.tobytes() for r in rgb)
    z = zlib.compress(rows)
    ok = png(9, 11, 8, 2, z)
    yield "png without an end", ok[:-12]
    yield "png with half an end", ok[:-6]
    yield "png without the checksum of its pixels", ok[:-16]
    yield "png without any checksum", ok[:-20]
    yield "png cut short", ok[:-40]
    yield "png with garbage after the end", ok + b"garbage"
    yield "png with zeros instead of an end", ok[:-12] + bytes(100)
    yield "png with a bad checksum of its pixels", ok.replace(chunk(b"IDAT", z), chunk(b"IDAT", z, 1))
    yield "png with a bad checksum at the end", ok[:-4] + bytes(4)
    yield "png with a bad checksum after its pixels", png(9, 11, 8, 2, z, after=chunk(b"tEXt", b"a\0b", 1))
    yield "png with a bad checksum in the header", ok[:29] + bytes(4) + ok[33:]
    yield "png with a bad checksum of a text", png(9, 11, 8, 2, z, before=chunk(b"tEXt", b"a\0b", 1))
    yield "png with too many pixels", png(9, 11, 8, 2, zlib.compress(rows + rows))
    yield "png with one byte too much", png(9, 11, 8, 2, zlib.compress(rows + b"x"))
    yield "png with too few rows", png(9, 11, 8, 2, zlib.compress(rows[: 34 * 5]))
    yield "png with half a row too few", png(9, 11, 8, 2, zlib.compress(rows[:-17]))
    yield "png with a wrong sum of its pixels", png(9, 11, 8, 2, z[:-1] + bytes([z[-1] ^ 1]))
    yield "png without a sum of its pixels", png(9, 11, 8, 2, z[:-4])
    yield "png with garbage after its pixels", png(9, 11, 8, 2, z + b"garbage")
    yield "png with a palette that it does not need", png(9, 11, 8, 2, z, before=chunk(b"PLTE", b"ab"))
    yield "png with a palette of grey", png(9, 11, 8, 0, zlib.compress((b"\0" + bytes(range(11))) * 9), before=chunk(b"PLTE", bytes(12)))
    yield "png of another compression", png(9, 11, 8, 2, z, compression=1)
    yield "png with a wrong filter", png(9, 11, 8, 2, zlib.compress(b"\x09" + rows[1:]))
    indices = zlib.compress(b"".join(b"\0" + bytes(rng.randrange(9) for _ in range(11)) for _ in range(9)))
    palette = chunk(b"PLTE", rng.randbytes(5 * 3 + 1))
    yield "png with a palette of five and a third", png(9, 11, 8, 3, indices, before=palette)
    yield "png with transparency before its palette", png(9, 11, 8, 3, indices, before=chunk(b"tRNS", bytes(20)) + palette)
    yield "png without its palette", png(9, 11, 8, 3, indices)
    for colour, samples, depths in [(0, 1, (1, 2, 8, 16)), (2, 3, (8, 16)), (3, 1, (4, 8)), (4, 2, (8, 16)), (6, 4, (8, 16))]:
        for depth in depths:
            for interlace in (0, 1):
                before = chunk(b"PLTE", rng.randbytes(3 << depth)) if colour == 3 else b""
                data = b"".join(filtered(5, 7, samples * depth, interlace))
                yield (f"png of colour {colour}, {depth} bits, interlace {interlace}, with too many pixels",
                       png(5, 7, depth, colour, zlib.compress(data + b"zz"), before=before, interlace=interlace))


def raw_profile(name, data):
    digits = data.hex()
    lines = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
    return f"\n{name}\n{len(data):8}\n{lines}\n".encode()


def turned_png_files():
    def with_text(tag, key, text, after=False):
        form = {b"tEXt": b"\0" + text, b"zTXt": b"\0\0" + zlib.compress(text), b"iTXt": bytes(5) + text}[tag]
        return with_chunk(chunk(tag, key + form), after)

    def with_chunk(c, after=False):
        at = len(small) - 12 if after else 33
        return small[:at] + c + small[at:]

    small = saved(Image.fromarray(photo(5, 7)), "png")
    key, profile = b"XML:com.adobe.xmp", b"Raw profile type exif"
    for turn in range(10):
        yield f"png xmp of orientation {turn}", with_text(b"iTXt", key, xmp(turn))
    yield "png xmp compressed", with_chunk(chunk(b"iTXt", key + b"\0\1\0\0\0" + zlib.compress(xmp(6))))
    yield "png xmp after its pixels", with_text(b"iTXt", key, xmp(6), after=True)
    yield "png xmp as latin text", with_text(b"tEXt", key, xmp(8))
    yield "png raw profile", with_text(b"tEXt", profile, raw_profile("exif", exif(6)))
    yield "png raw profile compressed", with_text(b"zTXt", profile, raw_profile("exif", exif(8)))
    yield "png raw profile compressed after its pixels", with_text(b"zTXt", profile, raw_profile("exif", exif(8)), after=True)
    yield "png raw profile as international text", with_text(b"iTXt", profile, raw_profile("exif", tiff(5)))
    yield "png raw profile of APP1", with_text(b"zTXt", b"Raw profile type APP1", raw_profile("APP1", exif(8)))
    yield "png raw profile of xmp", with_text(b"zTXt", b"Raw profile type xmp", raw_profile("xmp", xmp(8)))
    yield "png exif after its pixels", with_chunk(chunk(b"eXIf", tiff(7)), after=True)
    yield "png exif with a prefix", with_chunk(chunk(b"eXIf", exif(7)))
    yield "png exif before a raw profile", with_chunk(chunk(b"eXIf", tiff(3)) + with_text(
        b"tEXt", profile, raw_profile("exif", exif(6)))[33:-len(small) + 33])
    yield "png exif of a long", with_chunk(chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\1\1\x12\0\4\0\0\0\1\0\0\0\6\0\0\0\0"))
    yield "png exif of bytes", with_chunk(chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\1\1\x12\0\1\0\0\0\1\6\0\0\0\0\0\0\0"))


# ---- GIF

def lzw(pixels, bits, clear=True, end=True):
    codes, value, size = bytearray(), 0, 0

    def emit(code):
        nonlocal value, size
        value, size = value | code << size, size + width
        while size >= 8:
            codes.append(value & 255)
            value, size = value >> 8, size - 8

    width, table, s = bits + 1, {bytes([i]): i for i in range(min(1 << bits, 256))}, b""
    after = (1 << bits) + 2
    if clear:
        emit(1 << bits)
    for p in pixels:
        if not s or s + bytes([p]) in table:
            s += bytes([p])
            continue
        emit(table[s])
        if after < 4096:
            table[s + bytes([p])] = after
            width += after == 1 << width and width < 12
            after += 1
        s = bytes([p])
    emit(table[s])
    width += after == 1 << width and width < 12
    if end:
        emit((1 << bits) + 1)
    codes.append(value & 255)
    return bytes(codes)


def blocks(data):
    return b"".join(bytes([len(data[i : i + 255])]) + data[i : i + 255] for i in range(0, len(data), 255))


def gif(screen, frame, codes, palette=b"", local=b"", bits=4, interlace=0, clear=None, before=b"", tail=b"\0;"):
    """A GIF; screen is (width, height) and frame (left, top, width, height)."""
    def flags(p):
        return 0x80 | (len(p) // 3).bit_length() - 2 if p else 0
    control = b"!\xf9\x04\1\0\0" + bytes([clear]) + b"\0" if clear is not None else b""
    return (b"GIF89a" + struct.pack("<HHBBB", *screen, flags(palette), 0, 0) + palette + before + control + b","
            + struct.pack("<HHHHB", *frame, flags(local) | interlace << 6) + local + bytes([bits]) + blocks(codes) + tail)


def gif_files():
    palette, local, greys = rng.randbytes(48), rng.randbytes(12), bytes(i // 3 for i in range(48))
    pixels = [rng.randrange(16) if rng.random() < 0.5 else 7 for _ in range(9 * 11)]
    screen, frame, codes = (11, 9), (0, 0, 11, 9), lzw(pixels, 4)
    ok = gif(screen, frame, codes, palette)
    yield "gif frame larger than the screen", gif((7, 5), frame, codes, palette)
    yield "gif frame outside the screen", gif((7, 5), (9, 2, 11, 9), codes, palette)
    yield "gif transparent frame outside the screen, interlaced", gif((7, 5), (9, 2, 11, 9), codes, palette, clear=3, interlace=1)
    yield "gif without a screen", gif((0, 0), frame, codes, palette)
    yield "gif frame of no pixels", gif(screen, (0, 0, 0, 9), codes, palette)
    yield "gif with too many pixels", gif(screen, frame, lzw(pixels + pixels, 4), palette)
    yield "gif with too few pixels", gif(screen, frame, lzw(pixels[:-1], 4), palette)
    yield "gif without an end code", gif(screen, frame, lzw(pixels, 4, end=False), palette)
    yield "gif without a clear code", gif(screen, frame, lzw(pixels, 4, clear=False), palette)
    yield "gif with garbage after its pixels", gif(screen, frame, codes + b"garbage" * 50, palette)
    yield "gif with blocks after its pixels", gif(screen, frame, codes, palette, tail=blocks(b"garbage" * 50) + b"\0;")
    yield "gif with garbage after the end", ok + b"garbage"
    yield "gif without a trailer", ok[:-1]
    yield "gif without the end of its blocks", ok[:-2]
    yield "gif cut short", ok[:-10]
    yield "gif with a code that is not defined", gif(screen, frame, b"\xff" * 40, palette)
    yield "gif of nine bits", gif(screen, frame, lzw(pixels, 9), palette, bits=9)
    yield "gif of twenty bits", gif(screen, frame, codes, palette, bits=20)
    yield "gif without a palette", gif(screen, frame, codes)
    yield "gif with a palette of greys", gif(screen, frame, codes, greys)
    yield "gif with a short palette of greys", gif(screen, frame, codes, greys[:12])
    yield "gif with a short palette", gif(screen, frame, codes, palette[:12])
    yield "gif with a palette of its frame", gif((13, 10), frame, codes, palette, local, clear=2)
    yield "gif with a palette of greys of its frame", gif(screen, frame, codes, palette, greys)
    yield "gif with garbage between blocks", gif(screen, frame, codes, palette, before=b"\0\0abc")
    yield "gif with an extension that is not known", gif(screen, frame, codes, palette, before=b"!\x77\3abc\2de\0")
    yield "gif without a frame", ok[: 13 + 48] + b";"
    many = [rng.randrange(16) for _ in range(40 * 60)]
    yield "gif runs", gif((40, 60), (0, 0, 40, 60), lzw([3] * 2400, 4), palette)
    yield "gif with more than 4096 codes", gif((40, 60), (0, 0, 40, 60), lzw(many + many * 4, 4), palette)


# ---- WebP

def riff(*chunks):
    body = b"WEBP" + b"".join(t + struct.pack("<I", len(b)) + b + b"\0" * (len(b) % 2) for t, b in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff_chunks(data):
    at, found = 12, {}
    while at + 8 <= len(data):
        n = int.from_bytes(data[at + 4 : at + 8], "little")
        found.setdefault(data[at : at + 4], data[at + 8 : at + 8 + n])
        at += 8 + n + n % 2
    return found


def three(n):
    return n.to_bytes(3, "little")


def webp_files():
    alpha = np.tile(np.linspace(0, 255, 11).astype(np.uint8), (9, 1))
    opaque = [Image.fromarray(photo(9, 11, i)) for i in range(2)]
    clear = [Image.fromarray(np.dstack([photo(9, 11, i), alpha])) for i in range(2)]
    for lossless in (False, True):
        for name, frames in (("", opaque), (" with alpha", clear)):
            yield f"webp animated, lossless {lossless}{name}", saved(
                frames[0], "webp", save_all=True, append_images=frames[1:], lossless=lossless, exact=True,
                background=(9, 99, 199, 255))
    lossy = riff_chunks(saved(opaque[0], "webp", quality=80))[b"VP8 "]
    parts = riff_chunks(saved(clear[0], "webp", quality=80, exact=True))
    best = riff_chunks(saved(clear[0], "webp", lossless=True, exact=True))[b"VP8L"]

    def head(flags, w=11, h=9):
        return b"VP8X", bytes([flags, 0, 0, 0]) + three(w - 1) + three(h - 1)

    def frame(x, y, pixels, flags=0):
        inner = riff(*pixels)[12:]
        return b"ANMF", three(x // 2) + three(y // 2) + three(10) + three(8) + three(100) + bytes([flags]) + inner

    loop, tail = (b"ANIM", b"\1\2\3\4\0\0"), frame(0, 0, [(b"VP8 ", lossy)])
    for name, pixels in (("lossy", [(b"VP8 ", lossy)]), ("lossless", [(b"VP8L", best)]),
                         ("alpha", [(b"ALPH", parts[b"ALPH"]), (b"VP8 ", parts[b"VP8 "])])):
        yield f"webp frame on a canvas, {name}", riff(head(0x12, 16, 14), loop, frame(4, 2, pixels, 3), tail)
    yield "webp frame outside the canvas", riff(head(2, 12, 12), loop, frame(4, 2, [(b"VP8 ", lossy)]), tail)
    yield "webp animated without frames", riff(head(2), loop)
    yield "webp with a flag for alpha that it has not", riff(head(0x10), (b"VP8 ", lossy))
    yield "webp with alpha that is not announced", riff(head(0), (b"ALPH", parts[b"ALPH"]), (b"VP8 ", parts[b"VP8 "]))
    yield "webp of another size than its canvas", riff(head(0, 12, 9), (b"VP8 ", lossy))
    yield "webp with a chunk that is not known", riff(head(0), (b"ABCD", b"xyz"), (b"VP8 ", lossy))
    yield "webp with garbage after the end", riff((b"VP8 ", lossy)) + b"garbage"
    yield "webp cut short", riff((b"VP8 ", lossy))[:-10]
    yield "webp xmp", saved(opaque[0], "webp", xmp=xmp(6))
    yield "webp exif before xmp", saved(opaque[0], "webp", xmp=xmp(6), exif=exif(3))
    yield "webp exif that is not announced", riff(head(0), (b"VP8 ", lossy), (b"EXIF", tiff(6)))
    yield "webp animated, exif", saved(opaque[0], "webp", save_all=True, append_images=opaque[1:], exif=exif(6))


def cases():
    for files in (jpeg_files(), png_files(), turned_png_files(), gif_files(), webp_files()):
        for name, data in files:
            case = dict(name=name, file=b64(data))
            try:
                im = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
                case |= dict(height=im.height, width=im.width, rgb=b64(zlib.compress(im.tobytes(), 9)))
            except Exception as e:
                case |= dict(refused=str(e).split(" <")[0])
            yield case


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    made_by = f"Pillow {PIL.__version__}, libjpeg-turbo {features.version_feature('libjpeg_turbo')}"
    lines = ",\n".join("  " + json.dumps(c) for c in cases())
    (HERE / "files.json").write_text(f'{{"made_by": "{made_by}", "cases": [\n{lines}\n]}}\n')
