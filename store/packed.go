package store

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"

	"eigenserve/store/tensorfile"
)

// A variant's header is JSON, deflated against a text with its usual keys: as
// metadata it took a quarter of a small model's file. The inflated text may take
// so many bytes at most, far more than the labels of any model: a small file could
// ask for much memory otherwise.
const mostHeader = 4 << 20

const packedTensor = "header"

// usualHeader is the dictionary of the code; a change of it is a change of the
// format. What is most usual stands last.
const usualHeader = `,"lossy":true,"preprocessor":{"do_rescale":true,"do_resize":true,"image_mean":[0.5,0.5,0.5]},"labels":["0","1","2","3","4","5","6","7","8","9","a","b","A","B"],` +
	`"energies":[-0.3,0.85,-0.16,0,0.72,-0.94,0.5,0],"fitted":false},{"name":"","family":"","step":0.01,"labels":["` +
	`"],"fidelity":{"step":3.084421650815882,"energy":0.9,"energies":[0.9` +
	`],"bytes":{"coefficients":5,"private":7,"metadata":8,"source":630192},"measured":{"agreement":0.9,"kl":0.0,"logit":1.,` +
	`"probes":"built-in","images":384,"at_least":0.8,"mean_only":{"agreement":0.,"kl":0.,"logit":4.},"min_agreement":0.75,"max_kl":0.00` +
	`}},"provenance":{"name":"","checkpoint":"","added":"2026-01-01T00:00:00Z","fitted":true},"head_step":0.03125}`

// pack deflates a header's JSON into a tensor.
func pack(header []byte) (tensorfile.Tensor, error) {
	var out bytes.Buffer
	w, err := flate.NewWriterDict(&out, flate.BestCompression, []byte(usualHeader))
	if err != nil {
		return tensorfile.Tensor{}, err
	}
	_, err = w.Write(header)
	if err := errors.Join(err, w.Close()); err != nil {
		return tensorfile.Tensor{}, err
	}
	return tensorfile.Tensor{DType: "U8", Shape: []int{out.Len()}, Data: out.Bytes()}, nil
}

// unpack inflates what pack has made.
func unpack(packed []byte) ([]byte, error) {
	r := flate.NewReaderDict(bytes.NewReader(packed), []byte(usualHeader))
	defer r.Close()
	header, err := io.ReadAll(io.LimitReader(r, mostHeader+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: header: %w", ErrFormat, err)
	case len(header) > mostHeader:
		return nil, fmt.Errorf("%w: header: it takes more than %d bytes", ErrFormat, mostHeader)
	}
	return header, nil
}
