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
	images, width := models.Images(m, input), family.HeadWidth(m.Plan().Heads()[0])
	n := len(images)
	out := make([]float32, n*width)
	var group errgroup.Group
	group.SetLimit(max(1, workers))
	for at := 0; at < n; at += batch {
		count := min(batch, n-at)
		group.Go(func() error {
			inputs := images[at : at+count]
			p := pool.Begin(nn.Group{Spans: models.Spans(m, inputs), Weights: w})
			defer pool.End(p)
			rows, err := m.Forward(p, inputs)
			if err != nil {
				return err
			}
			for i, row := range rows {
				to := out[(at+i)*width:][:width]
				to[width-1] = 1
				copy(to, row.Logits)
			}
			return nil
		})
	}
	return out, group.Wait()
}
