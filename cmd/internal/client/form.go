package client

import (
	"io"
	"mime/multipart"

	"eigenserve/store/checkpoint"
)

// Form streams a checkpoint as a multipart form for upload. The weights become one
// file, however many they came in.
type Form struct {
	*io.PipeReader
	ContentType string
	done        chan struct{} // closed when the checkpoint is no longer read
}

// NewForm returns the form of a checkpoint, which must stay open until Close.
func NewForm(c *checkpoint.Checkpoint) *Form {
	body, pipe := io.Pipe()
	w := multipart.NewWriter(pipe)
	f := &Form{body, w.FormDataContentType(), make(chan struct{})}
	go func() {
		defer close(f.done)
		pipe.CloseWithError(writeForm(w, c))
	}()
	return f
}

// Close ends the form, whether or not it was read to its end, and waits until the
// checkpoint is no longer read.
func (f *Form) Close() error {
	err := f.PipeReader.Close()
	<-f.done
	return err
}

func writeForm(form *multipart.Writer, c *checkpoint.Checkpoint) error {
	for _, part := range []struct {
		field, file string
		write       func(io.Writer) error
	}{
		{"config", "config.json", writeBytes(c.Config)},
		{"preprocessor", "preprocessor_config.json", writeBytes(c.Preprocessor)},
		{"model", "model.safetensors", c.Encode},
	} {
		if part.field == "preprocessor" && c.Preprocessor == nil {
			continue
		}
		w, err := form.CreateFormFile(part.field, part.file)
		if err != nil {
			return err
		}
		if err := part.write(&copyingWriter{w: w}); err != nil {
			return err
		}
	}
	return form.Close()
}

func writeBytes(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}
}

// copyingWriter writes copies. The reader of a pipe may still use the last buffer
// after both ends are closed, when the weights are no longer mapped.
type copyingWriter struct {
	w      io.Writer
	buffer [64 << 10]byte
}

func (c *copyingWriter) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var wrote int
		wrote, err = c.w.Write(c.buffer[:copy(c.buffer[:], p[n:])])
		n += wrote
	}
	return n, err
}
