package server

import (
	"github.com/gofiber/fiber/v2"

	"eigenserve/runtime"
	"eigenserve/server/oip"
	"eigenserve/server/wire"
)

var (
	anyText  = object{"type": "string"}
	anyCount = object{"type": "integer", "minimum": 0}
	anyBytes = object{"type": "string", "format": "binary"}
)

// anyOf is a value of one of several types.
type anyOf []any

const anyImage = "image/*"

// asJSON answers or asks for a value's type.
func asJSON(value any) []content { return []content{{fiber.MIMEApplicationJSON, value}} }

func ok(value any) []answer { return []answer{{status: 200, about: "Done.", content: asJSON(value)}} }

func file(mediaType string) []answer {
	return []answer{{status: 200, about: "The file.", content: []content{{mediaType, anyBytes}}}}
}

var done = []answer{{status: 204, about: "Done."}}

func added(value any) []answer {
	return []answer{
		{status: 201, about: "Added.", content: asJSON(value), headers: []parameter{{"Location", "Where it is.", anyText}}},
		{status: 200, about: "In the place of what was there.", content: asJSON(value)},
	}
}

// answeredBy are the headers of an answer to an inference.
var answeredBy = []parameter{
	{wire.HeaderVariant, "What answered: name@digest.", anyText},
	{wire.HeaderBasis, "Digest of the basis that it stands on.", anyText},
	{wire.HeaderTiming, "Where the time went: queue, rebuild, preprocess, compute.", anyText},
}

// modelFiles is the form that brings a checkpoint.
var modelFiles = object{"type": "object", "required": []string{"model", "config"}, "properties": object{
	"model": anyBytes, "config": anyBytes, "preprocessor": anyBytes,
}}

// targets is what an alias shall stand for.
var targets = object{"type": "object", "description": "One model, or several by weight.", "properties": object{
	"model": anyText, "version": anyCount,
	"targets": object{"type": "array", "items": object{"type": "object", "required": []string{"model"}, "properties": object{
		"model": anyText, "version": anyCount, "weight": anyCount}}},
}}

// inferJSON is a request of the protocol, without the binary tensors.
var inferJSON = object{"type": "object", "required": []string{"inputs"}, "properties": object{
	"id":         anyText,
	"parameters": object{"type": "object", "properties": object{"binary_data_output": object{"type": "boolean"}}},
	"inputs": object{"type": "array", "minItems": 1, "maxItems": 1, "items": object{"type": "object", "required": []string{"name", "datatype", "shape"}, "properties": object{
		"name":       object{"type": "string", "enum": []string{oip.InputPixels, oip.InputImage}},
		"datatype":   object{"type": "string", "enum": []string{oip.FP32, oip.Bytes}},
		"shape":      object{"type": "array", "items": object{"type": "integer", "minimum": 1}},
		"parameters": object{"type": "object", "properties": object{"binary_data_size": anyCount}},
		"data":       object{"type": "array", "description": "Numbers, nested or flat, row by row; images in base64."},
	}}},
	"outputs": object{"type": "array", "maxItems": 1, "items": object{"type": "object", "required": []string{"name"}, "properties": object{
		"name": object{"type": "string", "enum": []string{oip.OutputLogits}},
		"parameters": object{"type": "object", "properties": object{
			"binary_data":    object{"type": "boolean"},
			"classification": object{"type": "integer", "minimum": 1},
		}},
	}}},
}}

var jsonLength = parameter{oip.HeaderJSONLength, "Bytes of the JSON, where binary tensors follow it; 0: the body is one encoded image.", anyCount}

var deadline = parameter{headerDeadline, "Within how many milliseconds of its arrival the request is to be answered; then 504.",
	object{"type": "integer", "minimum": 1, "maximum": maxDeadline.Milliseconds()}}

var inferring = operation{
	summary: "Infer", headers: []parameter{jsonLength, deadline},
	body: []content{{fiber.MIMEApplicationJSON, inferJSON}, {fiber.MIMEOctetStream, anyBytes}},
	answers: []answer{{status: 200, about: "The logits, or the best labels where classification was asked for.",
		content: []content{{fiber.MIMEApplicationJSON, oip.InferResponse{}}, {fiber.MIMEOctetStream, anyBytes}},
		headers: append([]parameter{{oip.HeaderJSONLength, "Bytes of the JSON, where binary tensors follow it.", anyCount}}, answeredBy...)}},
}

var nothing = object{"type": "object"}

// operations describe the routes by name.
var operations = map[string]operation{
	"page":    {summary: "The page", answers: file("text/html")},
	"asset":   {summary: "One of the page's files", answers: file("*/*")},
	"samples": {summary: "Images to try, or one of them", answers: []answer{{status: 200, about: "The list, or the image.", content: []content{{fiber.MIMEApplicationJSON, sampleIndex{}}, {anyImage, anyBytes}}}}},
	"openapi": {summary: "This document", answers: ok(nothing)},

	"classify": {summary: "Classify an image",
		query:   []parameter{{"top_k", "How many labels to answer with; 0: all.", anyCount}},
		headers: []parameter{deadline},
		body:    []content{{anyImage, anyBytes}, {fiber.MIMEOctetStream, anyBytes}, {fiber.MIMEApplicationJSON, question{}}},
		answers: []answer{{status: 200, about: "Labels with their scores, best first.",
			content: asJSON([]runtime.Score{}), headers: answeredBy}}},
	"variants": {summary: "List or search the models", query: []parameter{
		{"limit", "How many.", object{"type": "integer", "minimum": 1, "maximum": 1000}}, {"after", "The name that the page comes after.", anyText},
		{"search", "Words that the name or the family has.", anyText}, {"order", "By what to sort a search.", anyText},
		{"offset", "Of the first one that a search gives.", anyCount}, {"from", "Name of the first one that a search gives.", anyText},
	}, answers: ok(anyOf{variantPage{}, runtime.Found{}})},
	"variant":        {summary: "Show a model", answers: ok(runtime.VariantDetail{})},
	"put_variant":    {summary: "Add a variant file as the next version of a model", body: []content{{fiber.MIMEOctetStream, anyBytes}}, answers: added(runtime.VariantInfo{})},
	"delete_variant": {summary: "Remove a model with all its versions", answers: done},
	"pin":            {summary: "Keep a model's weights in the cache", answers: done},
	"unpin":          {summary: "Let a model's weights go", answers: done},

	"versions":       {summary: "List a model's versions", answers: ok(versionList{})},
	"version":        {summary: "Show one version of a model", answers: ok(runtime.VariantDetail{})},
	"delete_version": {summary: "Remove one version of a model", answers: done},

	"aliases":      {summary: "List the aliases", answers: ok(aliasList{})},
	"alias":        {summary: "Show an alias", answers: ok(runtime.Alias{})},
	"put_alias":    {summary: "Make an alias, or move it at once", body: asJSON(targets), answers: added(runtime.Alias{})},
	"delete_alias": {summary: "Remove an alias", answers: done},

	"families": {summary: "List the families", answers: ok(familyList{})},
	"family":   {summary: "Show a family", answers: ok(runtime.FamilyDetail{})},
	"add_checkpoint": {summary: "Add a checkpoint as the next version of a model", body: []content{{fiber.MIMEMultipartForm, modelFiles}},
		answers: added(runtime.VariantInfo{})},

	"memory":  {summary: "The account of memory", answers: ok(runtime.Ledger{})},
	"metrics": {summary: "Metrics in Prometheus's form", answers: []answer{{status: 200, about: "The metrics.", content: []content{{"text/plain", anyText}}}}},
	"live":    {summary: "Whether the process answers", answers: ok(object{"type": "object", "properties": object{"live": object{"type": "boolean"}}})},
	"ready":   {summary: "Whether new requests are welcome", answers: ok(object{"type": "object", "properties": object{"ready": object{"type": "boolean"}}})},

	"v2_server":        {summary: "The server", answers: ok(oip.ServerMetadata{})},
	"v2_model":         {summary: "A model's versions and tensors", answers: ok(oip.ModelMetadata{})},
	"v2_version":       {summary: "A version's tensors", answers: ok(oip.ModelMetadata{})},
	"v2_model_ready":   {summary: "Whether a model answers", answers: ok(nothing)},
	"v2_version_ready": {summary: "Whether a version answers", answers: ok(nothing)},
	"v2_all_stats":     {summary: "Statistics of all models that were asked", answers: ok(oip.ModelStats{})},
	"v2_model_stats":   {summary: "Statistics of a model's current version", answers: ok(oip.ModelStats{})},
	"v2_version_stats": {summary: "Statistics of a version", answers: ok(oip.ModelStats{})},
	"v2_infer":         inferring,
	"v2_infer_version": inferring,
	"v2_index": {summary: "List every version of every model", body: asJSON(object{"type": "object", "properties": object{"ready": object{"type": "boolean"}}}),
		answers: ok([]oip.IndexEntry{})},
	"v2_load": {summary: "Load a model that was unloaded, or a variant file", body: asJSON(object{"type": "object", "properties": object{
		"parameters": object{"type": "object", "description": "file:<version>/<name>: a variant file in base64.", "additionalProperties": true}}}), answers: ok(nothing)},
	"v2_unload": {summary: "Take a model out of memory and refuse requests for it", body: asJSON(nothing), answers: ok(nothing)},
}
