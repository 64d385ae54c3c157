package kernel

// Patches cuts an image, (channels, height, width), into its ph×pw patches,
// row by row: dst is (patches, channels·ph·pw), each patch flattened by
// channel, row and column as the weight of a convolution is. Rows and columns
// that fill no patch are left out.
func Patches(dst, image []float32, channels, height, width, ph, pw int) {
	down, across := height/ph, width/pw
	size := channels * ph * pw
	checkLen("Patches: image", len(image), channels*height*width)
	checkLen("Patches: dst", len(dst), down*across*size)
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
