package server

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"mime"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"

	"eigenserve/runtime"
)

// defaultTopK is how many labels an answer has unless the request says; the
// Hugging Face pipeline has the same.
const defaultTopK = 5

// Headers that name what made an answer.
const (
	headerVariant = "Eigenserve-Variant" // name@digest
	headerBasis   = "Eigenserve-Basis"   // digest
)

// question is the JSON form of a request to classify.
type question struct {
	Inputs     string `json:"inputs"`
	Parameters struct {
		TopK     *int   `json:"top_k"`
		Function string `json:"function_to_apply"`
	} `json:"parameters"`
}

// classify answers POST /v1/models/{name}/classify: an image's bytes, or JSON
// with the image in base64. ?top_k=0 asks for every label.
func (s *Server) classify(r *request) error {
	name, err := r.name("variant")
	if err != nil {
		return err
	}
	image, o, err := s.question(r)
	if err != nil {
		return err
	}
	ctx, err := r.untilDeadline()
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
			return fmt.Errorf("server: variant %s@%s answered %v for label %q", a.Variant, a.Digest, score.Score, score.Label)
		}
	}
	s.answered(r.base, a.Variant, a.Digest, a.Timing)
	r.Set(headerVariant, url.PathEscape(a.Variant)+"@"+a.Digest)
	r.Set(headerBasis, a.Basis)
	r.Set("Server-Timing", serverTiming(a.Timing))
	return r.answer(fiber.StatusOK, a.Scores)
}

// question reads what is asked: the image, still encoded, and the form that the
// answer shall have.
func (s *Server) question(r *request) (image []byte, o runtime.ClassifyOptions, err error) {
	kind, _, _ := mime.ParseMediaType(utils.CopyString(r.Get(fiber.HeaderContentType)))
	if kind == fiber.MIMEMultipartForm {
		return nil, o, runtime.Errorf(runtime.Unsupported, "send the image's bytes as the body, not a form")
	}
	if o.TopK, err = r.number("top_k", defaultTopK, 0, math.MaxInt32); err != nil {
		return nil, o, err
	}
	body, err := s.joinWithBody(r)
	if err != nil {
		return nil, o, err
	}
	if len(body) == 0 {
		return nil, o, runtime.Errorf(runtime.Invalid, "the body is empty: send an image, or JSON with it in \"inputs\"")
	}
	// No image format begins with a brace, and curl labels every body a form.
	if kind != fiber.MIMEApplicationJSON && !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return body, o, nil
	}
	return parseQuestion(body, o)
}

// parseQuestion reads the JSON form; o is what holds where it says nothing.
func parseQuestion(body []byte, o runtime.ClassifyOptions) ([]byte, runtime.ClassifyOptions, error) {
	var q question
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, o, runtime.Errorf(runtime.Invalid, `the JSON is not of the form {"inputs":"<base64>","parameters":{"top_k":5}}: %s`, jsonFault(err))
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
	image, err := decodeInputs(q.Inputs)
	return image, o, err
}

// jsonFault says where a JSON body is wrong, without Go's own names for types.
func jsonFault(err error) string {
	switch err := err.(type) {
	case *json.UnmarshalTypeError:
		return fmt.Sprintf("%q can't be a %s", err.Field, err.Value)
	case *json.SyntaxError:
		return fmt.Sprintf("%v at byte %d", err, err.Offset)
	default:
		return "malformed"
	}
}

// decodeInputs reads base64, padded or not, also as a data: URL.
func decodeInputs(inputs string) ([]byte, error) {
	text := inputs
	if strings.HasPrefix(text, "data:") {
		head, data, found := strings.Cut(text, ",")
		if !found || !strings.HasSuffix(head, ";base64") {
			return nil, runtime.Errorf(runtime.Invalid, "a data: URL in inputs must be base64")
		}
		text = data
	}
	if strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://") {
		return nil, runtime.Errorf(runtime.Invalid, "inputs must hold the image in base64; this server fetches no addresses")
	}
	image, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "=\r\n "))
	if err != nil {
		return nil, runtime.Errorf(runtime.Invalid, "inputs is not base64: %v", err)
	}
	if len(image) == 0 {
		return nil, runtime.Errorf(runtime.Invalid, "inputs is empty: it must hold an image in base64")
	}
	return image, nil
}

// serverTiming writes a timing as the header of that name has it, in
// milliseconds.
func serverTiming(t runtime.Timing) string {
	var b strings.Builder
	for _, part := range timingParts(t) {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(part.name + ";dur=")
		b.WriteString(strconv.FormatFloat(part.took.Seconds()*1000, 'f', 3, 64))
	}
	if t.Weights != "" {
		b.WriteString(", weights;desc=" + t.Weights)
	}
	return b.String()
}

type timingPart struct {
	name string
	took time.Duration
}

func timingParts(t runtime.Timing) []timingPart {
	return []timingPart{
		{"queue", t.Queue}, {"rebuild", t.Rebuild}, {"preprocess", t.Preprocess}, {"compute", t.Compute},
	}
}
