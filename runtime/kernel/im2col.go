package kernel

// Im2Col cuts image, (channels, height, width), into non-overlapping patches of
// ph×pw in reading order, so that a convolution whose stride is its kernel size
// becomes a MatMul. dst is (patches, channels·ph·pw); each patch is flattened by
// channel, row and column, as the convolution's weight is. Rows and columns that
// fill no patch are left out.
func Im2Col(dst, image []float32, channels, height, width, ph, pw int) {
	down, across := height/ph, width/pw
	size := channels * ph * pw
	checkLen("Im2Col: image", len(image), channels*height*width)
	checkLen("Im2Col: dst", len(dst), down*across*size)
	for c := 0; c < channels; c++ {
		for y := 0; y < down*ph; y++ {
			row := image[(c*height+y)*width:][:across*pw]
			to := dst[y/ph*across*size+(c*ph+y%ph)*pw:]
			for p := 0; p < across; p++ {
				copy(to[p*size:][:pw], row[p*pw:])
			}
		}
	}
}
