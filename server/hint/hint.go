// Package hint says what there is in place of a route that does not exist, for callers
// who know the API of another server. It knows paths only, not what the server holds.
package hint

import (
	"net/http"
	"path"
	"slices"
	"strings"
)

// For returns a text for a request that has no route, without a full stop, or "" if its
// path looks like nothing known. The path is as it was sent, percent-encoded. missing
// reports whether the answer should say that the path does not exist even if it has other
// methods: what follows a colon is then no part of a model's name.
func For(method, sent string) (text string, missing bool) {
	parts := strings.Split(strings.Trim(sent, "/"), "/")
	if len(sent) > maxPath {
		return "", false
	}
	if name, verb := predictVerb(method, parts); verb != "" {
		return "there is no :" + verb + "; " + classifyOrInfer(name), true
	}
	switch {
	case sent == "/" && method == http.MethodPost:
		return classify(""), false
	case len(sent) > 1 && strings.HasSuffix(sent, "/"):
		return "leave out the slash at the end", false
	case len(parts) == 3 && parts[0] == "v1" && parts[1] == "models" && method == http.MethodPost:
		return classify(parts[2]), false
	case parts[0] == "v2":
		return ofProtocol(parts[1:]), false
	case len(parts) == 4 && parts[1] == "models" && parts[3] == "metadata":
		return "GET /v1/models/" + parts[2] + " and /v2/models/" + parts[2] + " describe it", false
	case slices.Contains(probes, parts[len(parts)-1]):
		return "health is at /v2/health/live and /v2/health/ready", false
	case slices.Contains(documents, parts[0]):
		return "GET /openapi.json describes all routes", false
	case parts[0] == "models" && len(parts) > 1 || parts[0] == "predictions" && len(parts) > 1:
		return classifyOrInfer(parts[1]), false
	case sent == "/models" || sent == "/v1/model" || sent == "/api/tags":
		return "GET /v1/models lists the models", false
	}
	for _, pattern := range inferences {
		if ok, _ := path.Match(pattern, sent); ok {
			return classifyOrInfer(""), false
		}
	}
	return "", false
}

// maxPath bounds the paths that are looked at: no known one is longer.
const maxPath = 400

var (
	probes    = []string{"ping", "health", "healthz", "livez", "readyz", "live", "ready", "healthcheck"}
	documents = []string{"docs", "redoc", "swagger", "swagger.json", "swagger-ui", "openapi.yaml", "openapi", "api-docs"}
)

// inferences are the paths of well-known APIs that ask a model: of OpenAI, Anthropic,
// Hugging Face, SageMaker, Vertex AI, TorchServe, MLflow, Ollama and Gradio.
var inferences = []string{
	"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/images/*", "/v1/audio/*",
	"/v1/moderations", "/v1/rerank", "/v1/messages", "/chat/completions", "/completions", "/embeddings", "/rerank",
	"/predict", "/predictions", "/v1/predict", "/v1/classify", "/v1/infer", "/invocations", "/generate", "/generate_stream",
	"/classify", "/infer", "/embed", "/score", "/api/generate", "/api/chat", "/api/embed", "/api/embeddings", "/api/predict", "/run/predict",
}

// predictVerb returns the name and the verb of a path such as /v1/models/NAME:predict, of
// TensorFlow Serving and KServe, or "".
func predictVerb(method string, parts []string) (name, verb string) {
	if len(parts) < 3 || parts[0] != "v1" || parts[1] != "models" || method != http.MethodPost {
		return "", ""
	}
	end, verb, found := strings.Cut(parts[len(parts)-1], ":")
	if !found || !slices.Contains([]string{"predict", "classify", "regress", "explain", "generate", "infer"}, verb) {
		return "", ""
	}
	switch {
	case len(parts) == 3:
		return end, verb
	case len(parts) == 5 && parts[3] == "versions":
		return parts[2] + ":" + end, verb
	case len(parts) == 5 && parts[3] == "labels":
		return parts[2], verb
	}
	return "", ""
}

// ofProtocol returns the hint for a path under /v2.
func ofProtocol(parts []string) string {
	if len(parts) == 0 {
		return ""
	}
	last := parts[len(parts)-1]
	switch {
	case parts[0] == "systemsharedmemory" || parts[0] == "cudasharedmemory":
		return "shared memory is not supported: send tensors in the body"
	case parts[0] == "logging" || parts[0] == "trace" || len(parts) > 2 && parts[2] == "trace":
		return "log and trace settings are flags of the server"
	case len(parts) > 2 && parts[0] == "models" && (last == "generate" || last == "generate_stream"):
		return "POST /v2/models/" + parts[1] + "/infer asks the model"
	case len(parts) == 1 && (parts[0] == "models" || parts[0] == "repository"):
		return "POST /v2/repository/index lists the models"
	}
	return ""
}

// orName returns a name of a path, or a placeholder for none.
func orName(name string) string {
	if name == "" {
		return "NAME"
	}
	return name
}

func classify(name string) string {
	return "POST an image to /v1/models/" + orName(name) + "/classify"
}

func classifyOrInfer(name string) string {
	return classify(name) + ", or tensors to /v2/models/" + orName(name) + "/infer"
}
