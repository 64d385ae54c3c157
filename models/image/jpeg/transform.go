package jpeg

// inverseTransform multiplies coefficients by their quantisation steps and writes the inverse
// cosine transform of the block to dst.
//
// It computes in integers what Loeffler, Ligtenberg and Moschytz compute in "Practical Fast 1-D DCT
// Algorithms with 11 Multiplications" (ICASSP 1989), on columns and then on rows. The constants
// have 13 fractional bits and the values between the two passes 2, as in libjpeg, whose roundings
// these are.
func inverseTransform(dst []byte, stride int, b *[64]int16, steps *[64]uint16, work *[64]int32) {
	const betweenPasses, whole = 11, 18
	for x := range 8 {
		if b[x+8]|b[x+16]|b[x+24]|b[x+32]|b[x+40]|b[x+48]|b[x+56] == 0 {
			dc := int32(b[x]) * int32(steps[x]) << 2
			for y := 0; y < 64; y += 8 {
				work[x+y] = dc
			}
			continue
		}
		var v [8]int32
		for y := range v {
			v[y] = int32(b[x+8*y]) * int32(steps[x+8*y])
		}
		inverse1D(&v)
		for y, s := range v {
			work[x+8*y] = (s + 1<<(betweenPasses-1)) >> betweenPasses
		}
	}
	for y := range 8 {
		v := (*[8]int32)(work[8*y:])
		inverse1D(v)
		row := dst[y*stride:][:8]
		for x, s := range v {
			row[x] = byte(max(0, min((s+1<<(whole-1))>>whole+128, 255)))
		}
	}
}

// inverse1D replaces eight coefficients by √8 times their inverse transform, with 13 more
// fractional bits.
func inverse1D(v *[8]int32) {
	// The even coefficients: a rotation by 3π/8 of 2 and 6, and sums and differences of 0 and 4.
	const cos6, sumCos6, diffCos6 = 4433, 6270, 15137 // √2 cos(3π/8) = 0.5412, and 0.7654, 1.8478
	turned := (v[2] + v[6]) * cos6
	e2, e3 := turned+v[2]*sumCos6, turned-v[6]*diffCos6
	e0, e1 := (v[0]+v[4])<<13, (v[0]-v[4])<<13
	even := [4]int32{e0 + e2, e1 + e3, e1 - e3, e0 - e2}

	// The odd ones: four sums of two share their products.
	const shared = 9633                                         // 1.1759
	const of7, of5, of3, of1 = 2446, 16819, 25172, 12299        // 0.2986, 2.0531, 3.0727, 1.5013
	const of71, of53, of73, of51 = -7373, -20995, -16069, -3196 // −0.9000, −2.5629, −1.9616, −0.3902
	s71, s53, s73, s51 := (v[7]+v[1])*of71, (v[5]+v[3])*of53, v[7]+v[3], v[5]+v[1]
	all := (s73 + s51) * shared
	s73, s51 = s73*of73+all, s51*of51+all
	odd := [4]int32{v[1]*of1 + s71 + s51, v[3]*of3 + s53 + s73, v[5]*of5 + s53 + s51, v[7]*of7 + s71 + s73}

	for i := range 4 {
		v[i], v[7-i] = even[i]+odd[i], even[i]-odd[i]
	}
}
