package server

import (
	"bytes"
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"

	"eigenserve/runtime"
	"eigenserve/server/wire"
)

// request is a request on its way through a handler. Strings that Fiber returns lie in
// buffers that the next request overwrites, so handlers take what they pass to the engine
// from the methods here, which copy.
type request struct {
	*fiber.Ctx
	*record
	base    context.Context
	cleanup []func()
}

// context returns a context that ends when the client leaves or the server stops
// waiting. It must be called after the body has been read.
func (r *request) context() context.Context {
	ctx, cancel := context.WithCancel(r.base)
	r.cleanup = append(r.cleanup, cancel)
	if r.body.conn != nil && r.body.isComplete() {
		r.cleanup = append(r.cleanup, r.body.conn.Watch(cancel))
	}
	return ctx
}

// headerDeadline is the header that says how many milliseconds after its arrival a
// request must be answered. A request that can't be answered in time is refused, with
// 429 before it has begun to wait and with 504 after that.
const headerDeadline = "Eigenserve-Deadline-Ms"

const maxDeadline = 24 * time.Hour

// contextWithDeadline returns context with the deadline that the caller set, if any.
func (r *request) contextWithDeadline() (context.Context, error) {
	ctx := r.context()
	text := utils.CopyString(r.Get(headerDeadline))
	if text == "" {
		return ctx, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > int(maxDeadline/time.Millisecond) {
		return nil, runtime.Errorf(runtime.Invalid, "%s must be a whole number of milliseconds from 1 to %d", headerDeadline, maxDeadline/time.Millisecond)
	}
	ctx, cancel := context.WithDeadline(ctx, r.began.Add(time.Duration(n)*time.Millisecond))
	r.cleanup = append(r.cleanup, cancel)
	return ctx, nil
}

// close releases what the handler has taken, the last first.
func (r *request) close() {
	for i := len(r.cleanup) - 1; i >= 0; i-- {
		r.cleanup[i]()
	}
}

// name returns a name in the path: of a variant, an alias or a family. The caller's token
// must be for a variant or alias of that name.
func (r *request) name(param string) (string, error) {
	name, err := url.PathUnescape(utils.CopyString(r.Params(param)))
	if err != nil {
		return "", runtime.Errorf(runtime.Invalid, "the %s name in the path is not correctly percent-encoded", param)
	}
	if err := wire.CheckName(param, name); err != nil {
		return "", err
	}
	if param == "variant" || param == "alias" {
		return name, r.caller.CheckModel(name)
	}
	return name, nil
}

// reference returns the reference to the variant and version in the path, to the current
// version if the route has none.
func (r *request) reference() (ref string, err error) {
	name, err := r.name("variant")
	if err != nil {
		return "", err
	}
	return wire.Reference(name, utils.CopyString(r.Params("version")))
}

// headers returns the values of all headers of a name, as one list.
func (r *request) headers(name string) string {
	return string(bytes.Join(r.Context().Request.Header.PeekAll(name), []byte(", ")))
}

// number returns a whole number of the query, missing if it isn't there.
func (r *request) number(key string, missing, least, most int) (int, error) {
	text := utils.CopyString(r.Query(key))
	if text == "" {
		return missing, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, runtime.Errorf(runtime.Invalid, "%s must be a whole number from %d to %d", key, least, most)
	}
	return n, nil
}

// sendJSON answers with a value as JSON. Caches must not keep any answer of the API.
func (r *request) sendJSON(status int, value any) error {
	r.Set(fiber.HeaderCacheControl, "no-store")
	return r.Status(status).JSON(value)
}

// sendNoContent answers that the request was carried out.
func (r *request) sendNoContent() error {
	r.Set(fiber.HeaderCacheControl, "no-store")
	return r.SendStatus(fiber.StatusNoContent)
}

// setProvenance sets the headers that name what made an answer.
func (r *request) setProvenance(variant, digest, basis string, t runtime.Timing) {
	r.Set(wire.HeaderVariant, wire.VariantHeader(variant, digest))
	r.Set(wire.HeaderBasis, basis)
	r.Set(wire.HeaderTiming, wire.ServerTiming(t))
}
