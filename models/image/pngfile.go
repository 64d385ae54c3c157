package image

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/adler32"
	"hash/crc32"
	stdimage "image"
	"image/png"
	"io"
)

const pngMagic = "\x89PNG\r\n\x1a\n"

// openPNG reads the header of a PNG.
func openPNG(data []byte) (file, error) {
	h, err := readPNGHeader(data)
	if err != nil {
		return file{}, damaged("PNG", err)
	}
	held := int64(4) // grey too, which becomes colour if it has transparency
	if h.depth == 16 {
		held = 8
	}
	return file{width: h.width, height: h.height, held: held, decode: func() ([]byte, error) {
		return decodePNG(data, h)
	}}, nil
}

// pngHeader is the IHDR chunk of a PNG.
type pngHeader struct {
	width, height int
	depth         byte
	color         byte // bits: 1 palette, 2 colour, 4 alpha
	interlaced    bool
}

const pngPalette, pngColor, pngAlpha = 1, 2, 4

func readPNGHeader(data []byte) (h pngHeader, err error) {
	for c := range pngChunks(data) {
		if c.name != "IHDR" || len(c.body) < 13 || !c.intact() || c.body[11] != 0 {
			break
		}
		h.width, h.height = int(binary.BigEndian.Uint32(c.body)), int(binary.BigEndian.Uint32(c.body[4:]))
		h.depth, h.color, h.interlaced = c.body[8], c.body[9], c.body[12] != 0
		return h, nil
	}
	return h, errors.New("its header is missing or wrong")
}

// decodePNG decodes a PNG to RGB. It repairs what Go's decoder refuses and Pillow does not.
func decodePNG(data []byte, h pngHeader) ([]byte, error) {
	m, err := guardBytes(data, png.Decode)
	if err != nil {
		r, repairErr := newPNGRepairer(data, h)
		if repairErr != nil {
			return nil, damaged("PNG", repairErr)
		}
		m, err = guard(r, png.Decode)
		if r.err != nil {
			err = r.err
		}
	}
	if err != nil {
		return nil, damaged("PNG", err)
	}
	return pngRGB(m, h)
}

// pngRGB converts an image of Go's decoder.
func pngRGB(m stdimage.Image, h pngHeader) ([]byte, error) {
	size := m.Bounds().Size()
	switch m := m.(type) {
	case *stdimage.Paletted:
		return palettedRGB(m)
	case *stdimage.Gray:
		return packedRGB(m.Pix, m.Stride, size, 1, greyRGB), nil
	case *stdimage.Gray16:
		return packedRGB(m.Pix, m.Stride, size, 2, grey16RGB), nil
	case *stdimage.RGBA: // opaque, so nothing is premultiplied
		return packedRGB(m.Pix, m.Stride, size, 4, firstThree), nil
	case *stdimage.NRGBA:
		return packedRGB(m.Pix, m.Stride, size, 4, firstThree), nil
	case *stdimage.RGBA64:
		return packedRGB(m.Pix, m.Stride, size, 8, highBytes), nil
	case *stdimage.NRGBA64:
		if h.color == 0 { // grey with one transparent level
			return packedRGB(m.Pix, m.Stride, size, 8, grey16RGB), nil
		}
		return packedRGB(m.Pix, m.Stride, size, 8, highBytes), nil
	}
	return nil, fmt.Errorf("unsupported pixel type %T", m)
}

// pngChunk is a chunk of a PNG.
type pngChunk struct {
	name   string
	body   []byte // shorter than the chunk if the file ends in it
	sum    []byte // the checksum, if it is there
	signed []byte // what the checksum is of
}

// intact reports whether the chunk is whole and has the right checksum.
func (c pngChunk) intact() bool {
	return len(c.sum) == 4 && crc32.ChecksumIEEE(c.signed) == binary.BigEndian.Uint32(c.sum)
}

// pngChunks iterates over the chunks of a PNG, up to what is no chunk.
func pngChunks(data []byte) func(yield func(pngChunk) bool) {
	return func(yield func(pngChunk) bool) {
		for at := len(pngMagic); at+8 <= len(data); {
			size, name := int64(binary.BigEndian.Uint32(data[at:])), data[at+4:at+8]
			rest := data[at+8:]
			body := rest[:min(size, int64(len(rest)))]
			sum := rest[len(body):]
			c := pngChunk{string(name), body, sum[:min(4, len(sum))], data[at+4 : at+8+len(body)]}
			if !isChunkName(name) || !yield(c) || c.name == "IEND" {
				return
			}
			at += 8 + len(body) + 4
		}
	}
}

func isChunkName(name []byte) bool {
	for _, c := range name {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// pngRepairer reads a PNG as Pillow does, and writes one that Go's decoder reads. Pillow reads
// chunks with their checksums up to the pixels. It reads as many bytes of pixels as there have to
// be, and ignores their checksums and what follows.
//
// What is written has the same header and palette. Its pixels are inflated, and not compressed
// again, one chunk at a time, so that no more than a chunk is in memory.
type pngRepairer struct {
	header pngHeader
	out    bytes.Buffer // written and not read yet
	piece  []byte       // pixels, inflated
	pixels io.Reader
	sum    hash.Hash32 // of the pixels so far
	left   int64       // bytes of pixels still to come
	ended  bool        // the pixels ended, as they should
	err    error
}

func newPNGRepairer(data []byte, h pngHeader) (*pngRepairer, error) {
	r := &pngRepairer{header: h, left: h.bytes()}
	var palette []byte
	var parts []io.Reader
	for c := range pngChunks(data) {
		isPixels := c.name == "IDAT"
		if len(parts) > 0 && !isPixels {
			break
		}
		if !isPixels && !c.intact() {
			return nil, fmt.Errorf("its chunk %s has a wrong checksum", c.name)
		}
		switch c.name {
		case "IDAT":
			parts = append(parts, bytes.NewReader(c.body))
		case "PLTE":
			palette = c.body
		}
	}
	r.start(palette)
	pixels, err := zlib.NewReader(io.MultiReader(parts...))
	if err != nil {
		return nil, pixelError(err)
	}
	r.pixels = pixels
	return r, nil
}

// start writes the header and, if there has to be one, the palette. Colours that it lacks are black.
func (r *pngRepairer) start(palette []byte) {
	h := r.header
	r.out.WriteString(pngMagic)
	b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(h.width)), uint32(h.height))
	interlace := byte(0)
	if h.interlaced {
		interlace = 1
	}
	r.chunk("IHDR", append(b, h.depth, h.color, 0, 0, interlace))
	if h.color != pngPalette|pngColor {
		return
	}
	if len(palette) < 3 {
		palette = []byte{0, 0, 0}
	}
	r.chunk("PLTE", palette[:min(len(palette)/3, 1<<min(h.depth, 8))*3])
}

// pngPass is a part of the pixels of an interlaced PNG, or all of one that is not.
type pngPass struct{ rows, rowBytes int64 }

// passes returns the parts of the pixels. Their rows begin with a filter.
func (h pngHeader) passes() (passes []pngPass) {
	samples := 1
	if h.color&(pngPalette|pngColor) == pngColor {
		samples = 3
	}
	if h.color&pngAlpha != 0 {
		samples++
	}
	grid := [][4]int{{0, 0, 1, 1}} // the first column and row, and from one to the next
	if h.interlaced {
		grid = [][4]int{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}
	}
	for _, g := range grid {
		columns, rows := (h.width-g[0]+g[2]-1)/g[2], (h.height-g[1]+g[3]-1)/g[3]
		if columns > 0 && rows > 0 {
			passes = append(passes, pngPass{int64(rows), 1 + (int64(columns*samples)*int64(h.depth)+7)/8})
		}
	}
	return passes
}

// bytes returns how many bytes the pixels have, inflated.
func (h pngHeader) bytes() (n int64) {
	for _, p := range h.passes() {
		n += p.rows * p.rowBytes
	}
	return n
}

// isWhole reports whether the first n bytes end with a row.
func (h pngHeader) isWhole(n int64) bool {
	for _, p := range h.passes() {
		if n <= p.rows*p.rowBytes {
			return n%p.rowBytes == 0
		}
		n -= p.rows * p.rowBytes
	}
	return false
}

func (r *pngRepairer) Read(p []byte) (int, error) {
	if r.out.Len() == 0 && r.left > 0 && r.err == nil {
		r.err = r.more()
	}
	if r.err != nil {
		return 0, r.err
	}
	return r.out.Read(p)
}

// more writes a chunk of pixels: a block of a zlib stream that is not compressed (RFC 1950, and RFC
// 1951, 3.2.4).
func (r *pngRepairer) more() error {
	if r.piece == nil {
		r.piece = make([]byte, 32<<10)
	}
	pixels := r.piece[:min(r.left, int64(len(r.piece)))]
	if err := r.inflate(pixels); err != nil {
		return err
	}
	var header []byte
	if r.sum == nil {
		r.sum, header = adler32.New(), []byte{0x78, 0x01}
	}
	r.sum.Write(pixels)
	r.left -= int64(len(pixels))
	n, last := len(pixels), byte(0)
	if r.left == 0 {
		last = 1
	}
	header = append(header, last, byte(n), byte(n>>8), byte(^n), byte(^n>>8))
	if r.left > 0 {
		r.chunk("IDAT", header, pixels)
		return nil
	}
	r.chunk("IDAT", header, pixels, r.sum.Sum(nil))
	r.chunk("IEND")
	return r.end()
}

// inflate reads pixels. Rows that are missing at the end are black, if the data ends on purpose.
func (r *pngRepairer) inflate(pixels []byte) error {
	if r.ended {
		clear(pixels)
		return nil
	}
	n, err := io.ReadFull(r.pixels, pixels)
	if err == nil {
		return nil
	}
	_, end := r.pixels.Read(pixels[n:]) // again, as ReadFull does not tell its ends apart
	had := r.header.bytes() - r.left + int64(n)
	if r.ended = end == io.EOF && had > 0 && r.header.isWhole(had); r.ended {
		clear(pixels[n:])
		return nil
	}
	return pixelError(err)
}

// end checks the end of the pixels, which may be missing, or not be the end.
func (r *pngRepairer) end() error {
	switch _, err := io.ReadFull(r.pixels, make([]byte, 1)); err {
	case nil, io.EOF, io.ErrUnexpectedEOF:
		return nil
	default:
		return pixelError(err)
	}
}

// chunk writes a chunk, whose body is in parts.
func (r *pngRepairer) chunk(name string, parts ...[]byte) {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	sum := crc32.ChecksumIEEE([]byte(name))
	r.out.Write(binary.BigEndian.AppendUint32(nil, uint32(size)))
	r.out.WriteString(name)
	for _, p := range parts {
		sum = crc32.Update(sum, crc32.IEEETable, p)
		r.out.Write(p)
	}
	r.out.Write(binary.BigEndian.AppendUint32(nil, sum))
}

// pixelError describes an error of inflating pixels.
func pixelError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errCutShort
	}
	return fmt.Errorf("its pixels cannot be inflated: %w", err)
}
