// Package plainjson reads JSON that users bring, such as the configurations of
// checkpoints, and says in plain words what is wrong with it. It is not for the program's
// own files, and it knows none of the formats.
package plainjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Unmarshal reads an object into the struct that into points to. Keys are matched
// exactly, as Python does. A key that is missing or null leaves its field as it is. The
// error lists all values of the wrong type, each by its key.
//
// The error of a field's own UnmarshalJSON follows the key after a space, so it has to
// begin with the value or with a verb.
func Unmarshal(data []byte, into any) error {
	object, err := Object(data)
	if err != nil {
		return err
	}
	var errs []error
	target := reflect.ValueOf(into).Elem()
	for i := range target.NumField() {
		key, _, _ := strings.Cut(target.Type().Field(i).Tag.Get("json"), ",")
		value, ok := object[key]
		if !ok || key == "" || string(value) == "null" {
			continue
		}
		if err := json.Unmarshal(value, target.Field(i).Addr().Interface()); err != nil {
			errs = append(errs, explain(key, err))
		}
	}
	return errors.Join(errs...)
}

// Object returns the values of an object by key.
func Object(data []byte) (map[string]json.RawMessage, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return nil, explainWhole(data, err)
	}
	if object == nil {
		return nil, errors.New("it is null, not an object")
	}
	return object, nil
}

// explainWhole words an error about a whole text.
func explainWhole(data []byte, err error) error {
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		return errors.New("it begins with a byte order mark; save it without one")
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		read := data[:min(int(e.Offset), len(data))]
		line := 1 + bytes.Count(read, []byte("\n"))
		column := len(read) - 1 - bytes.LastIndexByte(read, '\n')
		return fmt.Errorf("it is not valid JSON: line %d, column %d: %w", line, column, err)
	}
	return explain("it", err)
}

// explain words an error about the value of a key. Its text begins with the key.
func explain(key string, err error) error {
	e, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return fmt.Errorf("%s %w", key, err)
	}
	if e.Field != "" {
		key += "." + e.Field
	}
	want := kindName(e.Type)
	if number, ok := strings.CutPrefix(e.Value, "number "); ok {
		if !strings.ContainsAny(number, ".eE") || want == "a number" {
			return fmt.Errorf("%s is %.40s, which is out of range", key, number)
		}
		return fmt.Errorf("%s is %.40s, not %s", key, number, want)
	}
	return fmt.Errorf("%s is %s, not %s", key, valueName(e.Value), want)
}

// valueName names the kind of a JSON value, which json calls value.
func valueName(value string) string {
	switch value {
	case "string":
		return "text"
	case "bool":
		return "true or false"
	case "array":
		return "a list"
	case "object":
		return "an object"
	}
	return "a " + value
}

// kindName names the kind of JSON value that a Go type holds.
func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return kindName(t.Elem())
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number"
}
