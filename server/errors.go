package server

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"eigenserve/runtime"
	"eigenserve/server/auth"
)

// statuses is the one table from the class of an error to the status of the
// response. A code that is not in it is a fault of ours.
var statuses = map[runtime.Code]int{
	runtime.Internal:    fiber.StatusInternalServerError,
	runtime.Invalid:     fiber.StatusBadRequest,
	runtime.NotFound:    fiber.StatusNotFound,
	runtime.Conflict:    fiber.StatusConflict,
	runtime.TooLarge:    fiber.StatusRequestEntityTooLarge,
	runtime.Unsupported: fiber.StatusUnsupportedMediaType,
	runtime.Busy:        fiber.StatusServiceUnavailable,
	runtime.Damaged:     fiber.StatusInternalServerError,
	runtime.Full:        fiber.StatusInsufficientStorage,
	runtime.Refused:     fiber.StatusUnprocessableEntity,
	runtime.Closed:      fiber.StatusServiceUnavailable,
	runtime.Overloaded:  fiber.StatusTooManyRequests,
	runtime.Deadline:    fiber.StatusGatewayTimeout,
	runtime.Unloaded:    fiber.StatusServiceUnavailable,
}

// statusGone is what a request counts as whose client left before the answer.
const statusGone = 499

// problem is the body of every response that is an error.
type problem struct {
	Error string `json:"error"`
}

// fail answers a request with an error. It is the only place that does, also for
// the errors of the HTTP library: unknown routes, wrong methods, malformed heads.
func (s *Server) fail(c *fiber.Ctx, err error) error {
	status, text := s.describe(c, err)
	exchangeOf(c.Context()).fault = text
	if after := retryAfter(err); after > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(after))
	}
	var denied *auth.Denied
	if errors.As(err, &denied) && denied.Challenge != "" {
		c.Set(fiber.HeaderWWWAuthenticate, denied.Challenge)
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.Status(status).JSON(problem{text})
}

// describe gives the status and the text that an error shows to the caller.
// Faults of ours are logged, and their text stays in the log.
func (s *Server) describe(c *fiber.Ctx, err error) (status int, text string) {
	var known *runtime.Error
	var library *fiber.Error
	var denied *auth.Denied
	switch {
	case errors.As(err, &denied):
		return denied.Status, denied.Text
	case errors.As(err, &known) && known.Code != runtime.Internal && statuses[known.Code] != 0:
		if known.Code == runtime.Damaged || known.Code == runtime.Full {
			s.logFault(c, err)
		}
		if strings.HasPrefix(c.Path(), "/v2") {
			return statusV2(known.Code), known.Text
		}
		return statuses[known.Code], known.Text
	case errors.As(err, &library):
		return library.Code, libraryText(library)
	case errors.Is(err, context.Canceled):
		return statusGone, "the request was given up"
	default:
		s.logFault(c, err)
		return fiber.StatusInternalServerError, "internal error"
	}
}

// retryAfter is in how many seconds to try again, 0 for never.
func retryAfter(err error) int {
	var known *runtime.Error
	switch {
	case !errors.As(err, &known):
		return 0
	case known.Code == runtime.Overloaded:
		return max(1, int(math.Ceil(known.RetryAfter.Seconds())))
	case known.Code == runtime.Busy:
		return 1
	}
	return 0
}

func codeOf(err error) runtime.Code {
	var known *runtime.Error
	if errors.As(err, &known) {
		return known.Code
	}
	return runtime.Internal
}

func (s *Server) logFault(c *fiber.Ctx, err error) {
	s.log.Error("request failed", "id", exchangeOf(c.Context()).id, "method", c.Method(), "path", c.Path(), "error", err.Error())
}

// libraryText says what went wrong in our words: the library's own may quote the
// request or its buffers.
func libraryText(err *fiber.Error) string {
	switch err.Code {
	case fiber.StatusNotFound:
		return "no such route"
	case fiber.StatusRequestTimeout:
		return "the request came too slowly"
	default:
		return strings.ToLower(http.StatusText(err.Code))
	}
}
