package wire

import (
	"errors"
	"math"
	"net/http"

	"google.golang.org/grpc/codes"

	"eigenserve/runtime"
)

// Statuses are what each protocol answers an error code with.
type Statuses struct {
	REST int        // on every route but those under /v2
	OIP  int        // under /v2, where the protocol has 400 for anything wrong with a request
	GRPC codes.Code // over gRPC
	Log  bool       // whether the error is logged too: its cause is on this machine
}

// statuses is the one table from the code of an error to how it is answered. An error
// whose code is not in it is answered as an internal error, and its text is not shown.
var statuses = map[runtime.Code]Statuses{
	runtime.Invalid:     {http.StatusBadRequest, http.StatusBadRequest, codes.InvalidArgument, false},
	runtime.NotFound:    {http.StatusNotFound, http.StatusNotFound, codes.NotFound, false},
	runtime.Conflict:    {http.StatusConflict, http.StatusBadRequest, codes.FailedPrecondition, false},
	runtime.TooLarge:    {http.StatusRequestEntityTooLarge, http.StatusBadRequest, codes.InvalidArgument, false},
	runtime.Unsupported: {http.StatusUnsupportedMediaType, http.StatusBadRequest, codes.InvalidArgument, false},
	runtime.Refused:     {http.StatusUnprocessableEntity, http.StatusUnprocessableEntity, codes.FailedPrecondition, false},
	runtime.Overloaded:  {http.StatusTooManyRequests, http.StatusTooManyRequests, codes.ResourceExhausted, false},
	runtime.Deadline:    {http.StatusGatewayTimeout, http.StatusGatewayTimeout, codes.DeadlineExceeded, false},
	runtime.Busy:        {http.StatusServiceUnavailable, http.StatusServiceUnavailable, codes.Unavailable, false},
	runtime.Closed:      {http.StatusServiceUnavailable, http.StatusServiceUnavailable, codes.Unavailable, false},
	runtime.Unloaded:    {http.StatusServiceUnavailable, http.StatusServiceUnavailable, codes.Unavailable, false},
	runtime.Damaged:     {http.StatusInternalServerError, http.StatusInternalServerError, codes.Internal, true},
	runtime.Full:        {http.StatusInsufficientStorage, http.StatusInsufficientStorage, codes.ResourceExhausted, true},
}

// StatusClientClosed is the status recorded for a request whose client left before it
// was answered.
const StatusClientClosed = 499

// Lookup returns the error in err's chain that a caller may read, and how it is
// answered. ok is false if there is none: err is then an internal error.
func Lookup(err error) (known *runtime.Error, s Statuses, ok bool) {
	if !errors.As(err, &known) {
		return nil, Statuses{}, false
	}
	s, ok = statuses[known.Code]
	return known, s, ok
}

// RetryAfter returns in how many seconds a request that failed with err may be tried
// again, 0 if trying again does not help.
func RetryAfter(err error) int {
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

// CodeOf returns the code of the error in err's chain, Internal if it has none.
func CodeOf(err error) runtime.Code {
	var known *runtime.Error
	if errors.As(err, &known) {
		return known.Code
	}
	return runtime.Internal
}
