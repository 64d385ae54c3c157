package server_test

import (
	"log/slog"
	"testing"

	"eigenserve/server"
	"eigenserve/server/internal/servertest"
)

// running is a server that listens, and a client of it.
type running struct {
	*server.Server
	*servertest.Client
	Log *servertest.Log
}

// start runs a server until the test ends.
func start(t *testing.T, engine server.Engine, o server.Options) *running {
	t.Helper()
	log := &servertest.Log{}
	r := startLogging(t, engine, o, slog.New(slog.NewTextHandler(log, nil)))
	r.Log = log
	return r
}

// startLogging starts a server with the given log.
func startLogging(t *testing.T, engine server.Engine, o server.Options, log *slog.Logger) *running {
	t.Helper()
	o.Log = log
	s, err := server.New(engine, o)
	if err != nil {
		t.Fatal(err)
	}
	return &running{s, servertest.Start(t, s), &servertest.Log{}}
}
