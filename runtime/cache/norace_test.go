//go:build !race

package cache

const race = false
