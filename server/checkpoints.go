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

// configLimit is how long config.json and preprocessor_config.json may be.
const configLimit = 4 * mib

// addCheckpoint answers POST /v1/families/{family}/models/{name}: a form with the
// files model, config and, if there is one, preprocessor.
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
	return r.added(info, replaced)
}

// upload reads the files of the form. It reads the body to its end, so that an
// upload that was cut off is an error whatever part of it came.
func (r *request) upload() (u runtime.Upload, err error) {
	kind, params, err := mime.ParseMediaType(utils.CopyString(r.Get(fiber.HeaderContentType)))
	if err != nil || kind != fiber.MIMEMultipartForm || params["boundary"] == "" {
		return u, runtime.Errorf(runtime.Unsupported, "send a form (multipart/form-data) with the files model, config and, if there is one, preprocessor")
	}
	form := multipart.NewReader(r.body, params["boundary"])
	for {
		part, err := form.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return u, formFault(err)
		}
		if err := r.readPart(part, &u); err != nil {
			return u, err
		}
	}
	if _, err := io.Copy(io.Discard, r.body); err != nil {
		return u, err
	}
	if u.Model == nil || u.Config == nil {
		return u, runtime.Errorf(runtime.Invalid, "the form must hold the files model and config")
	}
	return u, nil
}

// readPart reads one file of the form to its place.
func (r *request) readPart(part *multipart.Part, u *runtime.Upload) error {
	places := map[string]*[]byte{"model": &u.Model, "config": &u.Config, "preprocessor": &u.Preprocessor}
	field := part.FormName()
	place := places[field]
	switch {
	case place == nil:
		return runtime.Errorf(runtime.Invalid, "the form holds %.100q; it may hold the files model, config and preprocessor", field)
	case *place != nil:
		return runtime.Errorf(runtime.Invalid, "the form holds %s twice", field)
	}
	var source io.Reader = part
	expect := int64(-1)
	if field != "model" {
		source = io.LimitReader(part, configLimit+1)
	} else if r.body.length >= 0 {
		expect = r.body.length // less by the little that went before
	}
	data, err := readAll(source, expect)
	if err != nil {
		return formFault(err)
	}
	if field != "model" && len(data) > configLimit {
		return runtime.Errorf(runtime.TooLarge, "%s is longer than %d bytes", field, configLimit)
	}
	*place = data
	return nil
}

// formFault keeps the body's own errors and says of all others that the form is
// malformed.
func formFault(err error) error {
	var known *runtime.Error
	var library *fiber.Error
	if errors.As(err, &known) || errors.As(err, &library) {
		return err
	}
	return runtime.Errorf(runtime.Invalid, "the form is malformed or ends too early")
}
