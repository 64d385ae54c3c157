package runtime

import (
	"context"
	"testing"
)

// Benchmarks run on the embedded family: 32×32 images, 64 wide, 6 layers.

func BenchmarkClassify(b *testing.B) {
	eng := zooEngine(b, Options{})
	name, image := eng.store.Variants()[0].Name, picture(1, 32, 32)
	_, l, err := eng.open(name)
	must(err)
	classifyOnce := func(b *testing.B) {
		if _, err := eng.Classify(context.Background(), name, image, ClassifyOptions{TopK: 5}); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("op=classify/warm", func(b *testing.B) {
		classifyOnce(b)
		b.ReportAllocs()
		for b.Loop() {
			classifyOnce(b)
		}
	})
	b.Run("op=classify/warm/clients=many", func(b *testing.B) {
		classifyOnce(b)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				classifyOnce(b)
			}
		})
	})
	b.Run("op=classify/cold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			eng.cache.Drop(l.variant.Digest)
			classifyOnce(b)
		}
	})
	b.Run("op=decode-image", func(b *testing.B) { // a part of all of the above
		b.ReportAllocs()
		for b.Loop() {
			if _, err := prepare(l.variant.Input.Image, image); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRebuild(b *testing.B) {
	eng := zooEngine(b, Options{})
	m, err := eng.NewMeter(eng.store.Variants()[0].Name)
	must(err)
	bytes, _, err := m.Cost(1)
	must(err)
	b.Run("op=rebuild/zoo", func(b *testing.B) {
		b.SetBytes(bytes)
		b.ReportAllocs()
		for b.Loop() {
			if err := m.Rebuild(1); err != nil {
				b.Fatal(err)
			}
		}
	})
}
