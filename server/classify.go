package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"mime"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"

	"eigenserve/runtime"
	"eigenserve/server/wire"
)

// defaultTopK is how many labels an answer has by default, as in the Hugging Face
// pipeline.
const defaultTopK = 5

// question is the JSON form of a request to classify.
type question struct {
	Inputs     string `json:"inputs"`
	Parameters struct {
		TopK     *int   `json:"top_k"`
		Function string `json:"function_to_apply"`
	} `json:"parameters"`
}

// classify answers POST /v1/models/{name}/classify: the body is an image, or JSON with the
// image in base64. ?top_k=0 asks for every label.
func (s *Server) classify(r *request) error {
	name, err := r.name("variant")
	if err != nil {
		return err
	}
	image, o, err := s.readQuestion(r)
	if err != nil {
		return err
	}
	ctx, err := r.contextWithDeadline()
	if err != nil {
		return err
	}
	a, err := s.engine.Classify(ctx, name, image, o)
	if err != nil {
		return err
	}
	if a.Scores == nil {
		a.Scores = []runtime.Score{}
	}
	for _, score := range a.Scores {
		if math.IsNaN(score.Score) || math.IsInf(score.Score, 0) {
			return fmt.Errorf("server: variant %s@%s returned the score %v for label %q", a.Variant, a.Digest, score.Score, score.Label)
		}
	}
	s.observeInference(r.base, a.Variant, a.Digest, a.Timing)
	r.setProvenance(a.Variant, a.Digest, a.Basis, a.Timing)
	if a.Function != "" {
		r.Set(wire.HeaderFunction, a.Function)
	}
	return r.sendJSON(fiber.StatusOK, a.Scores)
}

// readQuestion reads a request to classify: the image, still encoded, and the options.
func (s *Server) readQuestion(r *request) (image []byte, o runtime.ClassifyOptions, err error) {
	kind, _, _ := mime.ParseMediaType(utils.CopyString(r.Get(fiber.HeaderContentType)))
	if kind == fiber.MIMEMultipartForm {
		return nil, o, runtime.Errorf(runtime.Unsupported, "send the image's bytes as the body, not a form")
	}
	if o.TopK, err = r.number("top_k", defaultTopK, 0, math.MaxInt32); err != nil {
		return nil, o, err
	}
	body, err := s.readInference(r)
	if err != nil {
		return nil, o, err
	}
	if len(body) == 0 {
		return nil, o, runtime.Errorf(runtime.Invalid, "the body is empty: send an image, or JSON with it in \"inputs\"")
	}
	// No image format begins with a brace, and curl calls every body a form.
	if kind != fiber.MIMEApplicationJSON && !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return body, o, nil
	}
	return parseQuestion(body, o)
}

// parseQuestion reads the JSON form. o has the options for what it does not say.
func parseQuestion(body []byte, o runtime.ClassifyOptions) ([]byte, runtime.ClassifyOptions, error) {
	var q question
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, o, runtime.Errorf(runtime.Invalid, `the JSON does not have the form {"inputs":"<base64>","parameters":{"top_k":5}}: %s`, wire.JSONFault(err))
	}
	if top := q.Parameters.TopK; top != nil {
		if *top < 0 {
			return nil, o, runtime.Errorf(runtime.Invalid, "top_k must not be negative")
		}
		o.TopK = *top
	}
	switch q.Parameters.Function {
	case "", "softmax", "sigmoid", "none":
		o.Function = q.Parameters.Function
	default:
		return nil, o, runtime.Errorf(runtime.Invalid, `function_to_apply must be "softmax", "sigmoid" or "none"`)
	}
	if q.Inputs == "" {
		return nil, o, runtime.Errorf(runtime.Invalid, `"inputs" must contain an image in base64`)
	}
	image, err := wire.DecodeImage(q.Inputs)
	return image, o, err
}
