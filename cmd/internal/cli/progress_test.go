package cli_test

import (
	"regexp"
	"strings"
	"testing"

	"eigenserve/cmd/internal/cli"
)

// A line shows the time left, and the rate where the stage's bytes are known. The
// last line shows no time left.
func TestProgressLines(t *testing.T) {
	var out strings.Builder
	p := cli.NewProgress(&out)
	p.Bytes = map[string]int64{"read": 1 << 40}
	for _, stage := range []string{"measure", "read"} {
		for done := 1; done <= 4; done++ {
			p.Update(stage, done, 4)
		}
	}
	const took, left = `\d+(\.\d)?m?s`, `\d+m?s`
	want := regexp.MustCompile(`^measure: 20% after ` + took + `
measure: 50% after ` + took + `, ` + left + ` left
measure: 70% after ` + took + `, ` + left + ` left
measure: 100% after ` + took + `
read: 20% after ` + took + `
read: 50% after ` + took + `, [\d.]+ .iB/s, ` + left + ` left
read: 70% after ` + took + `, [\d.]+ .iB/s, ` + left + ` left
read: 100% after ` + took + `, [\d.]+ .iB/s
$`)
	if !want.MatchString(out.String()) {
		t.Errorf("printed\n%s", out.String())
	}
}
