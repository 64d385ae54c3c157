package image

import "testing"

func TestCropped(t *testing.T) {
	for _, c := range []struct {
		out, size         int
		halfEven          bool
		skip, kept, above int
	}{
		{10, 4, false, 3, 4, 0}, {10, 4, true, 3, 4, 0},
		{11, 4, false, 3, 4, 0}, {11, 4, true, 4, 4, 0}, // 3.5
		{9, 4, false, 2, 4, 0}, {9, 4, true, 2, 4, 0}, // 2.5
		{5, 4, false, 0, 4, 0}, {5, 4, true, 0, 4, 0}, // 0.5
		{7, 4, false, 1, 4, 0}, {7, 4, true, 2, 4, 0}, // 1.5
		{4, 4, false, 0, 4, 0}, {4, 4, true, 0, 4, 0},
		{3, 6, false, 0, 3, 2}, {3, 6, true, 0, 3, 1},
		{4, 6, false, 0, 4, 1}, {4, 6, true, 0, 4, 1},
	} {
		got := axis{in: 20, out: c.out, kept: c.out}.cropped(c.size, c.halfEven)
		if got.skip != c.skip || got.kept != c.kept || got.pad != c.above {
			t.Errorf("%d cropped to %d, half even %t: %+v", c.out, c.size, c.halfEven, got)
		}
	}
}

func TestAssumed(t *testing.T) {
	const all = "0.5/0.5 mean and std, bilinear assumed"
	for config, want := range map[string]string{
		``:                                   "no preprocessor_config.json, or an empty one: " + all,
		`{}`:                                 "no preprocessor_config.json, or an empty one: " + all,
		`{"image_mean":null}`:                "no preprocessor_config.json, or an empty one: " + all,
		`{"size":32}`:                        "preprocessor_config.json names neither a processor nor image_mean and image_std nor resample: " + all,
		`{"image_mean":0.4,"image_std":0.3}`: "preprocessor_config.json names neither a processor nor resample: bilinear assumed",
		`{"image_mean":0.4,"image_std":0.3,"resample":3}`:               "",
		`{"image_mean":0.4,"resample":3}`:                               "preprocessor_config.json names neither a processor nor image_mean and image_std: 0.5/0.5 mean and std assumed",
		`{"do_normalize":false,"do_resize":0}`:                          "",
		`{"image_processor_type":"ViTImageProcessor"}`:                  "",
		`{"feature_extractor_type":"ViTFeatureExtractor"}`:              "",
		`{"image_processor_type":"ViTImageProcessor","assumed":"this"}`: "this",
	} {
		var file []byte
		if config != "" {
			file = []byte(config)
		}
		s, err := ParseSpec(file, 3, 32, 32)
		if err != nil || s.Assumed != want {
			t.Errorf("%s: assumed %q, %v; want %q", config, s.Assumed, err, want)
		}
	}
}
