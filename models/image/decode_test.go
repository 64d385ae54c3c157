package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	stdimage "image"
	"image/gif"
	"image/jpeg"
	"io"
	goruntime "runtime"
	"runtime/metrics"
	"testing"
)

// pngHeader returns a PNG with nothing but a header.
func pngOfHeader(width, height uint32) []byte {
	chunk := append([]byte("IHDR"), binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)...)
	chunk = append(chunk, 8, 2, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), chunk...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(chunk))
}

// encoded returns a grey image in a format of the standard library.
func encoded(tb testing.TB, format string, width, height int) []byte {
	tb.Helper()
	var b bytes.Buffer
	var err error
	switch m := stdimage.NewGray(stdimage.Rect(0, 0, width, height)); format {
	case "jpeg":
		err = jpeg.Encode(&b, m, nil)
	case "gif":
		err = gif.Encode(&b, m, nil)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func TestDecodeRejects(t *testing.T) {
	whole := map[string][]byte{}
	for _, c := range golden[decodeCase](t, "decode.json") {
		whole[c.Name] = c.File
	}
	hugeJPEG := bytes.Clone(encoded(t, "jpeg", 8, 8))
	frame := bytes.Index(hugeJPEG, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint32(hugeJPEG[frame+5:], 0xffff_ffff)
	hugeGIF := bytes.Clone(encoded(t, "gif", 8, 8))
	binary.LittleEndian.PutUint32(hugeGIF[6:], 0xffff_ffff)
	hugeWebP := append([]byte("RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00"), 0xff, 0x9f, 0, 0xff, 0x9f, 0)

	grownGIF := bytes.Clone(encoded(t, "gif", 8, 8))
	binary.LittleEndian.PutUint32(grownGIF[bytes.IndexByte(grownGIF, ',')+5:], 0xffff_ffff)
	hugeArithmetic := bytes.Clone(hugeJPEG)
	hugeArithmetic[frame+1] = 0xc9

	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"no bytes", nil, ErrFormat},
		{"a text", []byte("GIF, not really"), ErrFormat},
		{"a bitmap", []byte("BM6\x00\x00\x00"), ErrFormat},
		{"a signature only", []byte("\x89PNG\r\n\x1a\n"), ErrFormat},
		{"a png with a header only", pngOfHeader(2, 2), ErrFormat},
		{"a png of no width", pngOfHeader(0, 2), ErrFormat},
		{"a png cut short", whole["png rgb"][:len(whole["png rgb"])/2], ErrFormat},
		{"a jpeg cut short", whole["jpeg 4:2:0"][:len(whole["jpeg 4:2:0"])/2], ErrFormat},
		{"a gif cut short", whole["gif"][:len(whole["gif"])/2], ErrFormat},
		{"a webp cut short", whole["webp lossy"][:len(whole["webp lossy"])/2], ErrFormat},
		{"a gif of no screen", append([]byte("GIF89a"), make([]byte, 20)...), ErrFormat},
		{"a hundred megapixels of png", pngOfHeader(10_000, 10_000), ErrTooLarge},
		{"a png whose pixels overflow", pngOfHeader(1<<31-1, 1<<31-1), ErrTooLarge},
		{"a png of one very long row", pngOfHeader(1<<31-1, 1), ErrTooLarge},
		{"a large jpeg", hugeJPEG, ErrTooLarge},
		{"a large gif", hugeGIF, ErrTooLarge},
		{"a large gif frame on a small screen", grownGIF, ErrTooLarge},
		{"a large arithmetic jpeg", hugeArithmetic, ErrTooLarge},
		{"a large webp", hugeWebP, ErrTooLarge},
	} {
		if _, err := (Spec{Channels: 3}).Decode(c.data); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		}
	}
}

func TestMaxPixels(t *testing.T) {
	data := encoded(t, "gif", 20, 30)
	if _, err := (Spec{Channels: 3, MaxPixels: 600}).Decode(data); err != nil {
		t.Errorf("an image of the limit: %v", err)
	}
	if _, err := (Spec{Channels: 3, MaxPixels: 599}).Decode(data); !errors.Is(err, ErrTooLarge) {
		t.Errorf("an image of one pixel more: %v", err)
	}
}

func TestMaxPixelsIsCheckedBeforeDecoding(t *testing.T) {
	data := pngOfHeader(10_000, 10_000)
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	_, _ = Spec{Channels: 3}.Decode(data)
	goruntime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("rejecting a header allocates %d bytes", used)
	}
}

func TestDecoderPanicIsAnError(t *testing.T) {
	_, err := guardBytes([]byte("x"), func(io.Reader) (int, error) { panic("index out of range") })
	if err == nil {
		t.Error("no error")
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range golden[decodeCase](f, "decode.json") {
		f.Add(c.File)
	}
	for _, c := range golden[fileCase](f, "files.json") {
		f.Add(c.File)
	}
	f.Add(pngOfHeader(1<<20, 1<<20))
	colour, err := ParseSpec([]byte(`{"size":{"shortest_edge":9},"do_center_crop":true}`), 3, 8, 8)
	if err != nil {
		f.Fatal(err)
	}
	colour.MaxPixels = 1 << 16
	grey, err := ParseSpec(nil, 1, 8, 8)
	if err != nil {
		f.Fatal(err)
	}
	grey.MaxPixels = 1 << 16
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, s := range []Spec{colour, grey} {
			before := allocated()
			img, err := s.Decode(data)
			// The most pixels allowed, and the tables of the most wasteful decoder.
			if used, most := allocated()-before, uint64(32<<20+64*s.MaxPixels+64*len(data)); used > most {
				t.Errorf("%d bytes allocated for a file of %d bytes and at most %d pixels", used, len(data), s.MaxPixels)
			}
			if err != nil {
				if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrTooLarge) {
					t.Fatalf("neither ErrFormat nor ErrTooLarge: %v", err)
				}
				continue
			}
			if err := s.Fill(make([]float32, s.Channels*64), img); err != nil && !errors.Is(err, ErrTooLarge) {
				t.Fatalf("decoded %d×%d, then: %v", img.Height, img.Width, err)
			}
		}
	})
}

// allocated returns the bytes allocated so far, by other goroutines too.
func allocated() uint64 {
	bytes := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(bytes)
	return bytes[0].Value.Uint64()
}
