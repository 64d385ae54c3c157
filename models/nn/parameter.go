package nn

import "eigenserve/runtime/kernel"

// Parameter is a small tensor of each group's variant that is used as it is.
type Parameter struct {
	vector int // in Plan.Vectors
}

// Put overwrites the first rows of every image in x with the parameter.
func (v Parameter) Put(p *Pass, x []float32) {
	if p.tape != nil {
		p.tape.parameter(v, x, true)
	}
	stride := len(x) / p.images
	for _, g := range p.groups {
		values := v.of(g)
		for range g.Images {
			copy(x[:stride], values)
			x = x[stride:]
		}
	}
}

// Add adds the parameter, one image's rows long, to every image in x.
func (v Parameter) Add(p *Pass, x []float32) {
	if p.tape != nil {
		p.tape.parameter(v, x, false)
	}
	stride := len(x) / p.images
	for _, g := range p.groups {
		values := v.of(g)
		for range g.Images {
			kernel.Add(x[:stride], values)
			x = x[stride:]
		}
	}
}

func (v Parameter) of(g Group) []float32 { return g.Weights.Vectors[v.vector] }
