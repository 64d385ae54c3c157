package server

import (
	"context"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2/utils"

	"eigenserve/runtime"
)

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
