//go:build race

package vit_test

const raceDetector = true
