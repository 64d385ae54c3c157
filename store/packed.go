package store

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"

	"eigenserve/store/tensorfile"
)

// A variant's header is JSON, deflated with a preset dictionary of its usual text: plain
// metadata took a quarter of a small model's file. maxHeader limits the inflated text, so
// that a small file cannot ask for much memory. It is far more than any model's labels.
const maxHeader = 4 << 20

const packedTensor = "header"

// headerDictionary is the preset dictionary. It is part of the format. The most usual text
// comes last.
const headerDictionary = `,"lossy":true,"preprocessor":{"do_rescale":true,"do_resize":true,"image_mean":[0.5,0.5,0.5]},"labels":["0","1","2","3","4","5","6","7","8","9","a","b","A","B"],` +
	`"energies":[-0.3,0.85,-0.16,0,0.72,-0.94,0.5,0],"fitted":false},{"name":"","family":"","step":0.01,"labels":["` +
	`"],"fidelity":{"step":3.084421650815882,"energy":0.9,"energies":[0.9` +
	`],"bytes":{"coefficients":5,"private":7,"metadata":8,"source":630192},"measured":{"agreement":0.9,"kl":0.0,"logit":1.,` +
	`"probes":"built-in","images":384,"at_least":0.8,"mean_only":{"agreement":0.,"kl":0.,"logit":4.},"min_agreement":0.75,"max_kl":0.00` +
	`}},"provenance":{"name":"","checkpoint":"","added":"2026-01-01T00:00:00Z","fitted":true},"head_step":0.03125}`

// pack deflates the JSON of a header into a tensor.
func pack(header []byte) (tensorfile.Tensor, error) {
	var out bytes.Buffer
	w, err := flate.NewWriterDict(&out, flate.BestCompression, []byte(headerDictionary))
	if err != nil {
		return tensorfile.Tensor{}, err
	}
	_, err = w.Write(header)
	if err := errors.Join(err, w.Close()); err != nil {
		return tensorfile.Tensor{}, err
	}
	return tensorfile.Tensor{DType: "U8", Shape: []int{out.Len()}, Data: out.Bytes()}, nil
}

// unpack inflates the data of a tensor that pack made.
func unpack(packed []byte) ([]byte, error) {
	r := flate.NewReaderDict(bytes.NewReader(packed), []byte(headerDictionary))
	defer r.Close()
	header, err := io.ReadAll(io.LimitReader(r, maxHeader+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: header: %w", ErrFormat, err)
	case len(header) > maxHeader:
		return nil, fmt.Errorf("%w: header: it takes more than %d bytes", ErrFormat, maxHeader)
	}
	return header, nil
}
