package server

import (
	"github.com/gofiber/fiber/v2"

	"eigenserve/runtime"
	"eigenserve/server/apidoc"
	"eigenserve/server/oip"
	"eigenserve/server/web"
	"eigenserve/server/wire"
)

// operations describe the routes by name, for the OpenAPI document.
var operations = map[string]apidoc.Operation{
	"page":    {Summary: "The page", Answers: answersFile("text/html")},
	"asset":   {Summary: "A file of the page", Answers: answersFile("*/*")},
	"samples": {Summary: "The list of sample images, or one of them", Answers: []apidoc.Answer{{Status: 200, About: "The list, or the image.", Content: []apidoc.Content{content(fiber.MIMEApplicationJSON, web.SampleIndex{}), content(anyImage, bytesSchema)}}}},
	"openapi": {Summary: "This document", Answers: answers(objectSchema)},

	"classify": {Summary: "Classify an image",
		Query:   []apidoc.Parameter{param("top_k", "How many labels to return; 0: all; not given: 5.", countSchema)},
		Headers: []apidoc.Parameter{deadlineHeader},
		Body:    []apidoc.Content{content(anyImage, bytesSchema), content(fiber.MIMEOctetStream, bytesSchema), content(fiber.MIMEApplicationJSON, question{})},
		Answers: []apidoc.Answer{{Status: 200, About: "Labels with their scores, best first.",
			Content: asJSON([]runtime.Score{}), Headers: classifyHeaders}}},
	"variants": {Summary: "List or search the models", Query: []apidoc.Parameter{
		param("limit", "The number of models to return.", apidoc.Object{"type": "integer", "minimum": 1, "maximum": 1000}),
		param("after", "The name after which the list starts.", textSchema),
		param("search", "Words that the name or the family must contain.", textSchema),
		param("order", "How to sort the results of a search.", textSchema),
		param("offset", "The index of the first result to return.", countSchema),
		param("from", "The name of the first result to return.", textSchema),
	}, Answers: answers(apidoc.AnyOf{variantPage{}, runtime.Found{}})},
	"variant":        {Summary: "Describe a model", Answers: answers(runtime.VariantDetail{})},
	"put_variant":    {Summary: "Add a variant file as the next version of a model", Body: []apidoc.Content{content(fiber.MIMEOctetStream, bytesSchema)}, Answers: answersAdded(runtime.VariantInfo{})},
	"delete_variant": {Summary: "Remove a model with all its versions", Answers: answersNothing},
	"pin":            {Summary: "Keep a model's weights in the cache", Answers: answersNothing},
	"unpin":          {Summary: "Allow a model's weights to be evicted again", Answers: answersNothing},

	"versions":       {Summary: "List the versions of a model", Answers: answers(versionList{})},
	"version":        {Summary: "Describe one version of a model", Answers: answers(runtime.VariantDetail{})},
	"delete_version": {Summary: "Remove one version of a model", Answers: answersNothing},

	"aliases":      {Summary: "List the aliases", Answers: answers(aliasList{})},
	"alias":        {Summary: "Describe an alias", Answers: answers(runtime.Alias{})},
	"put_alias":    {Summary: "Create an alias, or move it for all requests at once", Body: asJSON(aliasSchema), Answers: answersAdded(runtime.Alias{})},
	"delete_alias": {Summary: "Remove an alias", Answers: answersNothing},

	"families": {Summary: "List the families", Answers: answers(familyList{})},
	"family":   {Summary: "Describe a family", Answers: answers(runtime.FamilyDetail{})},
	"add_checkpoint": {Summary: "Add a checkpoint as the next version of a model", Body: []apidoc.Content{content(fiber.MIMEMultipartForm, checkpointSchema)},
		Answers: answersAdded(runtime.VariantInfo{})},

	"memory":  {Summary: "The memory in use, by part", Answers: answers(runtime.Ledger{})},
	"metrics": {Summary: "Metrics in the Prometheus text format", Answers: []apidoc.Answer{{Status: 200, About: "The metrics.", Content: []apidoc.Content{content("text/plain", textSchema)}}}},
	"live":    {Summary: "Whether the process answers", Answers: answers(apidoc.Object{"type": "object", "properties": apidoc.Object{"live": apidoc.Object{"type": "boolean"}}})},
	"ready":   {Summary: "Whether the server accepts new requests", Answers: answers(apidoc.Object{"type": "object", "properties": apidoc.Object{"ready": apidoc.Object{"type": "boolean"}}})},

	"v2_server":         {Summary: "Describe the server", Answers: answers(oip.ServerMetadata{})},
	"v2_model":          {Summary: "Describe the versions and tensors of a model", Answers: answers(oip.ModelMetadata{})},
	"v2_version":        {Summary: "Describe the tensors of a version", Answers: answers(oip.ModelMetadata{})},
	"v2_model_config":   {Summary: "Describe a model as Triton's configuration does", Answers: answers(oip.ModelConfig{})},
	"v2_version_config": {Summary: "Describe a version as Triton's configuration does", Answers: answers(oip.ModelConfig{})},
	"v2_model_ready":    {Summary: "Whether a model is ready", Answers: answers(objectSchema)},
	"v2_version_ready":  {Summary: "Whether a version is ready", Answers: answers(objectSchema)},
	"v2_all_stats":      {Summary: "Statistics of all models that have had requests", Answers: answers(oip.ModelStats{})},
	"v2_model_stats":    {Summary: "Statistics of a model's current version", Answers: answers(oip.ModelStats{})},
	"v2_version_stats":  {Summary: "Statistics of a version", Answers: answers(oip.ModelStats{})},
	"v2_infer":          inferOperation,
	"v2_infer_version":  inferOperation,
	"v2_index": {Summary: "List every version of every model", Body: asJSON(apidoc.Object{"type": "object", "properties": apidoc.Object{"ready": apidoc.Object{"type": "boolean"}}}),
		Answers: answers([]oip.IndexEntry{})},
	"v2_load": {Summary: "Load a model that was unloaded, or a variant file", Body: asJSON(apidoc.Object{"type": "object", "properties": apidoc.Object{
		"parameters": apidoc.Object{"type": "object", "description": "file:<version>/<name>: a variant file in base64.", "additionalProperties": true}}}), Answers: answers(objectSchema)},
	"v2_system_memory":            {Summary: "The registered regions of system shared memory: none, it is not supported", Answers: answers(noRegionsSchema)},
	"v2_system_memory_unregister": {Summary: "Unregister all regions of system shared memory: there are none", Answers: answers(objectSchema)},
	"v2_cuda_memory":              {Summary: "The registered regions of CUDA shared memory: none, it is not supported", Answers: answers(noRegionsSchema)},
	"v2_cuda_memory_unregister":   {Summary: "Unregister all regions of CUDA shared memory: there are none", Answers: answers(objectSchema)},
	"v2_unload":                   {Summary: "Unload a model from memory and refuse requests for it", Body: asJSON(objectSchema), Answers: answers(objectSchema)},
}

// Schemas that encoding/json has no type for.
var (
	textSchema      = apidoc.Object{"type": "string"}
	countSchema     = apidoc.Object{"type": "integer", "minimum": 0}
	bytesSchema     = apidoc.Object{"type": "string", "format": "binary"}
	objectSchema    = apidoc.Object{"type": "object"}
	noRegionsSchema = apidoc.Object{"type": "array", "maxItems": 0}
)

const anyImage = "image/*"

func param(name, about string, schema apidoc.Object) apidoc.Parameter {
	return apidoc.Parameter{Name: name, About: about, Schema: schema}
}

func content(mediaType string, value any) apidoc.Content {
	return apidoc.Content{MediaType: mediaType, Value: value}
}

func asJSON(value any) []apidoc.Content {
	return []apidoc.Content{content(fiber.MIMEApplicationJSON, value)}
}

func answers(value any) []apidoc.Answer {
	return []apidoc.Answer{{Status: 200, About: "OK.", Content: asJSON(value)}}
}

func answersFile(mediaType string) []apidoc.Answer {
	return []apidoc.Answer{{Status: 200, About: "The file.", Content: []apidoc.Content{content(mediaType, bytesSchema)}}}
}

var answersNothing = []apidoc.Answer{{Status: 204, About: "Done."}}

func answersAdded(value any) []apidoc.Answer {
	return []apidoc.Answer{
		{Status: 201, About: "Added.", Content: asJSON(value), Headers: []apidoc.Parameter{param("Location", "The path of what was added.", textSchema)}},
		{Status: 200, About: "Replaced what had the name before.", Content: asJSON(value)},
	}
}

// provenanceHeaders are the headers of an answer that name what made it.
var provenanceHeaders = []apidoc.Parameter{
	param(wire.HeaderVariant, "What answered: name@digest.", textSchema),
	param(wire.HeaderBasis, "Digest of the basis of the variant.", textSchema),
	param(wire.HeaderTiming, "Where the time went: queue, rebuild, preprocess, compute.", textSchema),
}

// classifyHeaders are those of scores.
var classifyHeaders = append([]apidoc.Parameter{param(wire.HeaderFunction, "The function that turned logits into scores: softmax, sigmoid or none.", textSchema)}, provenanceHeaders...)

// checkpointSchema is the form that a checkpoint is uploaded in.
var checkpointSchema = apidoc.Object{"type": "object", "required": []string{"model", "config"}, "properties": apidoc.Object{
	"model": bytesSchema, "config": bytesSchema, "preprocessor": bytesSchema,
}}

// aliasSchema is the body that creates or moves an alias.
var aliasSchema = apidoc.Object{"type": "object", "description": "One model, or several with weights.", "properties": apidoc.Object{
	"model": textSchema, "version": countSchema,
	"targets": apidoc.Object{"type": "array", "items": apidoc.Object{"type": "object", "required": []string{"model"}, "properties": apidoc.Object{
		"model": textSchema, "version": countSchema, "weight": countSchema}}},
}}

// inferSchema is an inference request of the protocol, without its binary tensors.
var inferSchema = apidoc.Object{"type": "object", "required": []string{"inputs"}, "properties": apidoc.Object{
	"id":         textSchema,
	"parameters": apidoc.Object{"type": "object", "properties": apidoc.Object{"binary_data_output": apidoc.Object{"type": "boolean"}}},
	"inputs": apidoc.Object{"type": "array", "minItems": 1, "maxItems": 1, "items": apidoc.Object{"type": "object", "required": []string{"name", "datatype", "shape"}, "properties": apidoc.Object{
		"name":       apidoc.Object{"type": "string", "enum": []string{oip.InputPixels, oip.InputImage}},
		"datatype":   apidoc.Object{"type": "string", "enum": []string{oip.FP32, oip.Bytes}},
		"shape":      apidoc.Object{"type": "array", "items": apidoc.Object{"type": "integer", "minimum": 1}},
		"parameters": apidoc.Object{"type": "object", "properties": apidoc.Object{"binary_data_size": countSchema}},
		"data":       apidoc.Object{"type": "array", "description": "Numbers in row-major order, nested or flat; or images in base64."},
	}}},
	"outputs": apidoc.Object{"type": "array", "maxItems": 1, "items": apidoc.Object{"type": "object", "required": []string{"name"}, "properties": apidoc.Object{
		"name": apidoc.Object{"type": "string", "enum": []string{oip.OutputLogits}},
		"parameters": apidoc.Object{"type": "object", "properties": apidoc.Object{
			"binary_data":    apidoc.Object{"type": "boolean"},
			"classification": apidoc.Object{"type": "integer", "minimum": 1},
		}},
	}}},
}}

var deadlineHeader = param(headerDeadline, "How many milliseconds after its arrival the request must be answered; 504 after that.",
	apidoc.Object{"type": "integer", "minimum": 1, "maximum": maxDeadline.Milliseconds()})

var inferOperation = apidoc.Operation{
	Summary: "Infer",
	Headers: []apidoc.Parameter{
		param(oip.HeaderJSONLength, "The length of the JSON in bytes, if binary tensors follow it; 0: the body is one encoded image.", countSchema), deadlineHeader},
	Body: []apidoc.Content{content(fiber.MIMEApplicationJSON, inferSchema), content(fiber.MIMEOctetStream, bytesSchema)},
	Answers: []apidoc.Answer{{Status: 200, About: "The logits, or the best labels if classification was requested.",
		Content: []apidoc.Content{content(fiber.MIMEApplicationJSON, oip.InferResponse{}), content(fiber.MIMEOctetStream, bytesSchema)},
		Headers: append([]apidoc.Parameter{param(oip.HeaderJSONLength, "The length of the JSON in bytes, if binary tensors follow it.", countSchema)}, provenanceHeaders...)}},
}
