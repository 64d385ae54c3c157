package server_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"eigenserve/runtime"
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
	"eigenserve/server/wire"
)

func TestClassifyRequests(t *testing.T) {
	type question struct {
		image string
		o     runtime.ClassifyOptions
	}
	encoded := base64.StdEncoding.EncodeToString([]byte("some image"))
	top := func(k int) runtime.ClassifyOptions { return runtime.ClassifyOptions{TopK: k} }
	tests := []struct {
		name, query, contentType, body string
		status                         int
		want                           question
		text                           string // part of the error
	}{
		{name: "bytes", body: "some image", status: 200, want: question{"some image", top(5)}},
		{name: "bytes as curl sends them", contentType: "application/x-www-form-urlencoded", body: "some image", status: 200, want: question{"some image", top(5)}},
		{name: "bytes with top_k in the query", query: "?top_k=3", body: "some image", status: 200, want: question{"some image", top(3)}},
		{name: "bytes asking for all labels", query: "?top_k=0", body: "some image", status: 200, want: question{"some image", top(0)}},
		{name: "JSON", contentType: "application/json", body: `{"inputs":"` + encoded + `"}`, status: 200, want: question{"some image", top(5)}},
		{name: "JSON as curl sends it", contentType: "application/x-www-form-urlencoded", body: " \n{\"inputs\":\"" + encoded + `"}`, status: 200, want: question{"some image", top(5)}},
		{name: "JSON with a charset", contentType: "application/json; charset=utf-8", body: `{"inputs":"` + encoded + `"}`, status: 200, want: question{"some image", top(5)}},
		{name: "JSON with parameters", contentType: "application/json", body: `{"inputs":"` + encoded + `","parameters":{"top_k":2,"function_to_apply":"sigmoid"}}`, status: 200,
			want: question{"some image", runtime.ClassifyOptions{TopK: 2, Function: "sigmoid"}}},
		{name: "JSON with null parameters", contentType: "application/json", body: `{"inputs":"` + encoded + `","parameters":null}`, status: 200, want: question{"some image", top(5)}},
		{name: "JSON with unknown fields", contentType: "application/json", body: `{"options":{"wait":true},"inputs":"` + encoded + `","parameters":{"x":1}}`, status: 200, want: question{"some image", top(5)}},
		{name: "data URL", contentType: "application/json", body: `{"inputs":"data:image/png;base64,` + encoded + `"}`, status: 200, want: question{"some image", top(5)}},
		{name: "base64 without padding", contentType: "application/json", body: `{"inputs":"` + strings.TrimRight(encoded, "=") + `"}`, status: 200, want: question{"some image", top(5)}},
		{name: "base64 in lines", contentType: "application/json", body: `{"inputs":"` + encoded[:4] + `\n` + encoded[4:] + `\n"}`, status: 200, want: question{"some image", top(5)}},

		{name: "empty JSON object", contentType: "application/json", body: `{}`, status: 400, text: `\"inputs\" must contain`},
		{name: "JSON of spaces", contentType: "application/json", body: `   `, status: 400, text: "does not have the form"},
		{name: "bytes that are spaces", body: `   `, status: 200, want: question{"   ", top(5)}},
		{name: "JSON cut short", contentType: "application/json", body: `{"inputs":"` + encoded, status: 400, text: "unexpected end"},
		{name: "JSON twice", contentType: "application/json", body: `{"inputs":"` + encoded + `"}{}`, status: 400, text: "after top-level value"},
		{name: "JSON list", contentType: "application/json", body: `["` + encoded + `"]`, status: 400, text: "does not have the form"},
		{name: "inputs that are a list", contentType: "application/json", body: `{"inputs":["` + encoded + `"]}`, status: 400, text: `\"inputs\" has the wrong type (array)`},
		{name: "inputs that are not base64", contentType: "application/json", body: `{"inputs":"***"}`, status: 400, text: "not base64"},
		{name: "inputs at an address", contentType: "application/json", body: `{"inputs":"http://127.0.0.1/secret.png"}`, status: 400, text: "does not fetch URLs"},
		{name: "data URL that is not base64", contentType: "application/json", body: `{"inputs":"data:image/svg+xml,<svg>"}`, status: 400, text: "must be base64"},
		{name: "data URL cut short", contentType: "application/json", body: `{"inputs":"data:image/png;base64"}`, status: 400, text: "must be base64"},
		{name: "top_k below zero", contentType: "application/json", body: `{"inputs":"` + encoded + `","parameters":{"top_k":-1}}`, status: 400, text: "top_k"},
		{name: "top_k of one half", contentType: "application/json", body: `{"inputs":"` + encoded + `","parameters":{"top_k":0.5}}`, status: 400, text: "top_k"},
		{name: "top_k too large for an int", contentType: "application/json", body: `{"inputs":"` + encoded + `","parameters":{"top_k":1e99}}`, status: 400, text: "top_k"},
		{name: "unknown function", contentType: "application/json", body: `{"inputs":"` + encoded + `","parameters":{"function_to_apply":"exec"}}`, status: 400, text: "function_to_apply"},
		{name: "JSON nested deeply", contentType: "application/json", body: `{"x":` + strings.Repeat("[", 1<<20), status: 400, text: "depth"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got question
			f := servertest.NewEngine()
			f.OnClassify = func(_ context.Context, name string, image []byte, o runtime.ClassifyOptions) (runtime.Answer, error) {
				got = question{string(image), o}
				return runtime.Answer{}, nil
			}
			s := start(t, f, server.Options{})
			r := s.Do(t, "POST", "/v1/models/music-1/classify"+test.query, test.body, "Content-Type", test.contentType)
			if r.Status != test.status || !strings.Contains(r.Body, test.text) {
				t.Errorf("got %d %s", r.Status, r.Body)
			}
			if r.Status == 200 && r.Body != "[]" {
				t.Errorf("an empty answer: %s", r.Body)
			}
			if got != test.want {
				t.Errorf("the engine got %v, want %v", got, test.want)
			}
		})
	}
}

func FuzzClassifyRequest(f *testing.F) {
	f.Add([]byte(`{"inputs":"aGVsbG8=","parameters":{"top_k":1}}`))
	f.Add([]byte(`{"inputs":"data:image/png;base64,aGVsbG8"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		before := servertest.Allocated()
		image, o, err := server.ParseQuestion(body, runtime.ClassifyOptions{})
		if used, most := servertest.Allocated()-before, uint64(1<<20+16*len(body)); used > most {
			t.Errorf("%d bytes were allocated for a body of %d", used, len(body))
		}
		if err == nil && (len(image) == 0 || o.TopK < 0) {
			t.Errorf("accepted %q as %q %v", body, image, o)
		}
		if err != nil && !json.Valid(fmt.Appendf(nil, "%q", err.Error())) && wire.CodeOf(err) != runtime.Invalid {
			t.Errorf("error %v", err)
		}
	})
}
