package gate

import (
	"golang.org/x/sync/errgroup"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/runtime/family"
)

// Features returns the inputs of the head for images (n, channels, height, width), each
// followed by the constant 1 of the bias if there is one: (n, width). The head of the
// weights must be the identity that nn.Plan.Features sets. At most workers passes run at
// once.
func Features(m models.Model, pool *nn.Pool, w *nn.Weights, input []float32, workers int) ([]float32, error) {
	const batch = 16
	images, width := models.Images(m, input), family.HeadWidth(m.Plan().Heads()[0])
	out := make([]float32, len(images)*width)
	var group errgroup.Group
	group.SetLimit(max(1, workers))
	for at := 0; at < len(images); at += batch {
		some := images[at:min(at+batch, len(images))]
		group.Go(func() error {
			p := pool.Begin(nn.Group{Spans: models.Spans(m, some), Weights: w})
			defer pool.End(p)
			outputs, err := m.Forward(p, some)
			if err != nil {
				return err
			}
			for i, o := range outputs {
				to := out[(at+i)*width:][:width]
				to[width-1] = 1
				copy(to, o.Logits)
			}
			return nil
		})
	}
	return out, group.Wait()
}
