package apidoc

import (
	"encoding/json"
	"path"
	"reflect"
	"strings"
	"time"
)

// schemaSet has the schemas of named types, by name.
type schemaSet struct {
	schemas Object
	types   map[string]reflect.Type
}

// of returns the schema of a value's type, as encoding/json writes it.
func (s schemaSet) of(value any) Object {
	types, ok := value.(AnyOf)
	if !ok {
		return s.typeOf(reflect.TypeOf(value))
	}
	var each []Object
	for _, v := range types {
		each = append(each, s.of(v))
	}
	return Object{"anyOf": each}
}

var (
	timeType = reflect.TypeFor[time.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
)

func (s schemaSet) typeOf(t reflect.Type) Object {
	switch t {
	case timeType:
		return Object{"type": "string", "format": "date-time"}
	case rawType:
		return Object{} // any value
	}
	switch t.Kind() {
	case reflect.Bool:
		return Object{"type": "boolean"}
	case reflect.String:
		return Object{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return Object{"type": "number"}
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint64:
		return Object{"type": "integer"}
	case reflect.Pointer:
		return s.typeOf(t.Elem())
	case reflect.Slice:
		return Object{"type": []string{"array", "null"}, "items": s.typeOf(t.Elem())}
	case reflect.Map:
		return Object{"type": []string{"object", "null"}, "additionalProperties": s.typeOf(t.Elem())}
	case reflect.Struct:
		return s.named(t)
	}
	return Object{} // any value
}

// named adds the schema of a struct to the set and returns a reference to it. A type
// without a name is described in place.
func (s schemaSet) named(t reflect.Type) Object {
	if t.Name() == "" {
		return s.fields(t)
	}
	name := capital(t.Name())
	if other := s.types[name]; other != nil && other != t { // of another package
		name = capital(path.Base(t.PkgPath())) + name
	}
	if s.types[name] == nil {
		s.types[name] = t // before its fields, which may refer to it
		s.schemas[name] = s.fields(t)
	}
	return Object{"$ref": "#/components/schemas/" + name}
}

func capital(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

func (s schemaSet) fields(t reflect.Type) Object {
	properties, required := Object{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		properties[name] = s.typeOf(f.Type)
		if !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") {
			required = append(required, name)
		}
	}
	return Object{"type": "object", "properties": properties, "required": required}
}
