package server

import (
	"strconv"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"

	"eigenserve/server/oip"
	"eigenserve/server/wire"
)

// The REST routes of the Open Inference Protocol, which package oip implements.

// getServerMetadata answers GET /v2.
func (s *Server) getServerMetadata(r *request) error {
	return r.sendJSON(fiber.StatusOK, s.oip.ServerMetadata())
}

// getModelMetadata answers GET /v2/models/{name}[/versions/{number}].
func (s *Server) getModelMetadata(r *request) error {
	ref, err := r.reference()
	if err != nil {
		return err
	}
	m, err := s.oip.ModelMetadata(ref)
	if err != nil {
		return err
	}
	return r.sendJSON(fiber.StatusOK, m)
}

// getModelConfig answers GET /v2/models/{name}[/versions/{number}]/config.
func (s *Server) getModelConfig(r *request) error {
	ref, err := r.reference()
	if err != nil {
		return err
	}
	c, err := s.oip.ModelConfig(ref)
	if err != nil {
		return err
	}
	return r.sendJSON(fiber.StatusOK, c)
}

// getSharedMemory answers GET /v2/{system,cuda}sharedmemory/status: no region is ever
// registered.
func (s *Server) getSharedMemory(r *request) error {
	return r.sendJSON(fiber.StatusOK, []struct{}{})
}

// unregisterSharedMemory answers POST /v2/{system,cuda}sharedmemory/unregister, which
// clients call before they use any.
func (s *Server) unregisterSharedMemory(r *request) error {
	return r.sendJSON(fiber.StatusOK, struct{}{})
}

// getModelReady answers GET /v2/models/{name}[/versions/{number}]/ready: 200 if
// the model would answer a request, whatever the state of the server.
func (s *Server) getModelReady(r *request) error {
	ref, err := r.reference()
	if err != nil {
		return err
	}
	if err := s.engine.Ready(ref); err != nil {
		return err
	}
	return r.sendJSON(fiber.StatusOK, struct {
		Name  string `json:"name"`
		Ready bool   `json:"ready"`
	}{ref, true})
}

// getStats answers GET /v2/models/stats and
// GET /v2/models/{name}[/versions/{number}]/stats.
func (s *Server) getStats(r *request) error {
	ref := ""
	if r.Params("variant") != "" {
		var err error
		if ref, err = r.reference(); err != nil {
			return err
		}
	}
	stats, err := s.oip.Stats(r.caller, ref)
	if err != nil {
		return err
	}
	return r.sendJSON(fiber.StatusOK, stats)
}

// infer answers POST /v2/models/{name}[/versions/{number}]/infer.
func (s *Server) infer(r *request) error {
	ref, err := r.reference()
	if err != nil {
		return err
	}
	body, err := s.readInference(r)
	if err != nil {
		return err
	}
	q, err := oip.ParseInfer(body, utils.CopyString(r.Get(oip.HeaderJSONLength)))
	if err != nil {
		return err
	}
	ctx, err := r.contextWithDeadline()
	if err != nil {
		return err
	}
	out, err := s.oip.Infer(ctx, ref, q)
	if err != nil {
		return err
	}
	r.setProvenance(out.Variant, out.Digest, out.Basis, out.Timing)
	a, err := q.Answer(out)
	if err != nil {
		return err
	}
	r.Set(fiber.HeaderCacheControl, "no-store")
	r.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	if a.JSONLength > 0 {
		r.Set(oip.HeaderJSONLength, strconv.Itoa(a.JSONLength))
		r.Set(fiber.HeaderContentType, fiber.MIMEOctetStream)
	}
	return r.Status(fiber.StatusOK).Send(a.Body)
}

// index answers POST /v2/repository/index.
func (s *Server) index(r *request) error {
	body, err := r.body.all()
	if err != nil {
		return err
	}
	onlyReady, err := oip.ParseIndex(body)
	if err != nil {
		return err
	}
	return r.sendJSON(fiber.StatusOK, s.oip.Index(r.caller, onlyReady))
}

// load answers POST /v2/repository/models/{name}/load.
func (s *Server) load(r *request) error {
	name, err := r.name("variant")
	if err != nil {
		return err
	}
	body, err := r.body.all()
	if err != nil {
		return err
	}
	added, err := s.oip.Load(r.context(), name, body)
	if err != nil {
		return err
	}
	if added != nil {
		r.Set(wire.HeaderVariant, wire.VariantHeader(added.Name, added.Digest))
	}
	return r.sendJSON(fiber.StatusOK, struct{}{})
}

// unload answers POST /v2/repository/models/{name}/unload.
func (s *Server) unload(r *request) error {
	name, err := r.name("variant")
	if err != nil {
		return err
	}
	body, err := r.body.all()
	if err != nil {
		return err
	}
	if err := s.oip.Unload(name, body); err != nil {
		return err
	}
	return r.sendJSON(fiber.StatusOK, struct{}{})
}
