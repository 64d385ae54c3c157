package gate

import (
	"golang.org/x/sync/errgroup"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/runtime/family"
)

// Features returns what the head reads for images (n, channels, height, width), with
// the bias's constant 1 behind it: (n, width). The head of the weights must be the
// identity that nn.Plan.Features sets. At most the given number of passes run at once.
func Features(m models.Model, pool *nn.Pool, w *nn.Weights, input []float32, workers int) ([]float32, error) {
	const batch = 16
	spec := m.Pixels()
	size, width := spec.Channels*spec.Height*spec.Width, family.HeadWidth(m.Plan().Heads()[0])
	n := len(input) / size
	out := make([]float32, n*width)
	var group errgroup.Group
	group.SetLimit(max(1, workers))
	for at := 0; at < n; at += batch {
		count := min(batch, n-at)
		group.Go(func() error {
			p := pool.Begin(nn.Group{Images: count, Weights: w})
			defer pool.End(p)
			rows, err := m.Forward(p, input[at*size:(at+count)*size])
			if err != nil {
				return err
			}
			for i, row := range rows {
				to := out[(at+i)*width:][:width]
				to[width-1] = 1
				copy(to, row)
			}
			return nil
		})
	}
	return out, group.Wait()
}
