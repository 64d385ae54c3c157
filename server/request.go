package server

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"

	"eigenserve/runtime"
	"eigenserve/server/auth"
	"eigenserve/server/wire"
)

// request is one request on its way through a handler. Strings that Fiber gives
// lie in buffers that the next request overwrites, so handlers take what the
// engine is given from the methods here, which copy.
type request struct {
	*fiber.Ctx
	*exchange
	caller *auth.Caller // nil: the route is open, or the server has no tokens
	base   context.Context
	finish []func()
}

// context ends when the client goes away or the server gives up. To be called
// when the body has been read.
func (r *request) context() context.Context {
	ctx, cancel := context.WithCancel(r.base)
	r.finish = append(r.finish, cancel)
	if r.body.conn != nil && r.body.whole() {
		r.finish = append(r.finish, r.body.conn.Watch(cancel))
	}
	return ctx
}

// close ends what context began.
func (r *request) close() {
	for i := len(r.finish) - 1; i >= 0; i-- {
		r.finish[i]()
	}
}

// name is the variant's or family's name in the path. What a name may be is the
// engine's to say; here it must be one segment of text, so that no later layer
// reads a path or a control character out of it, and a variant's must be one that
// the caller's token is for.
func (r *request) name(param string) (string, error) {
	name, err := url.PathUnescape(utils.CopyString(r.Params(param)))
	if err != nil {
		return "", runtime.Errorf(runtime.Invalid, "the %s's name in the path is not percent-encoded rightly", param)
	}
	if err := wire.CheckName(param, name); err != nil {
		return "", err
	}
	if param == "variant" || param == "alias" {
		return name, r.caller.CheckModel(name)
	}
	return name, nil
}

// number is a whole number of the query within bounds, or missing if it isn't
// given.
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

// answer sends a value as JSON. Nothing of the API may be kept by caches.
func (r *request) answer(status int, value any) error {
	r.Set(fiber.HeaderCacheControl, "no-store")
	return r.Status(status).JSON(value)
}

// nothing answers that all is done.
func (r *request) nothing() error {
	r.Set(fiber.HeaderCacheControl, "no-store")
	return r.SendStatus(fiber.StatusNoContent)
}

// headerDeadline says within how many milliseconds of its arrival a request is
// to be answered. One that can't be is refused, with 429 while it has not begun
// to wait, else with 504.
const headerDeadline = "Eigenserve-Deadline-Ms"

const maxDeadline = 24 * time.Hour

// untilDeadline is context with the deadline that the caller set, if any.
func (r *request) untilDeadline() (context.Context, error) {
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
	r.finish = append(r.finish, cancel)
	return ctx, nil
}
