//go:build race

package runtime

const race = true
