package server

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"

	"eigenserve/runtime"
)

// configLimit is how long config.json and preprocessor_config.json may be, in bytes.
const configLimit = 4 * mib

// addCheckpoint answers POST /v1/families/{family}/models/{name}: the body is a form with
// the files model, config and, if there is one, preprocessor.
func (s *Server) addCheckpoint(r *request) error {
	family, err := r.name("family")
	if err != nil {
		return err
	}
	name, err := r.name("variant")
	if err != nil {
		return err
	}
	upload, err := r.upload()
	if err != nil {
		return err
	}
	info, replaced, err := s.engine.AddCheckpoint(r.context(), family, name, upload)
	if err != nil {
		return err
	}
	return r.sendAdded(info, replaced)
}

// upload reads the files of the form. It reads the body to its end: an upload that was
// cut off is an error, whatever part of it has arrived.
func (r *request) upload() (u runtime.Upload, err error) {
	kind, params, err := mime.ParseMediaType(utils.CopyString(r.Get(fiber.HeaderContentType)))
	if err != nil || kind != fiber.MIMEMultipartForm || params["boundary"] == "" {
		return u, runtime.Errorf(runtime.Unsupported, "send a form (multipart/form-data) with the files model, config and, optionally, preprocessor")
	}
	form := multipart.NewReader(r.body, params["boundary"])
	for {
		part, err := form.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return u, formError(err)
		}
		if err := r.readPart(part, &u); err != nil {
			return u, err
		}
	}
	if _, err := io.Copy(io.Discard, r.body); err != nil {
		return u, err
	}
	if u.Model == nil || u.Config == nil {
		return u, runtime.Errorf(runtime.Invalid, "the form must contain the files model and config")
	}
	return u, nil
}

// readPart reads one file of the form into the upload.
func (r *request) readPart(part *multipart.Part, u *runtime.Upload) error {
	fields := map[string]*[]byte{"model": &u.Model, "config": &u.Config, "preprocessor": &u.Preprocessor}
	field := part.FormName()
	into := fields[field]
	switch {
	case into == nil:
		return runtime.Errorf(runtime.Invalid, "the form contains %.100q; use the files model, config and preprocessor", field)
	case *into != nil:
		return runtime.Errorf(runtime.Invalid, "the form contains %s twice", field)
	}
	var source io.Reader = part
	expect := r.body.most() // slightly more than the file
	if field != "model" {
		source, expect = io.LimitReader(part, configLimit+1), -1
	}
	data, err := readAll(source, expect)
	if err != nil {
		return formError(err)
	}
	if field != "model" && len(data) > configLimit {
		return runtime.Errorf(runtime.TooLarge, "%s is longer than the limit of %d bytes", field, configLimit)
	}
	*into = data
	return nil
}

// formError returns the errors of the body as they are, and one that says that the form
// is malformed for any other.
func formError(err error) error {
	var known *runtime.Error
	var library *fiber.Error
	if errors.As(err, &known) || errors.As(err, &library) {
		return err
	}
	return runtime.Errorf(runtime.Invalid, "the form is malformed or ends too early")
}
