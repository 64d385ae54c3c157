// Package familypage writes an HTML page about a family, with pictures, that loads
// nothing from elsewhere. It measures nothing: it shows what the store knows.
package familypage

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"eigenserve/cmd/internal/cli"
	"eigenserve/runtime"
	"eigenserve/server/web"
	"eigenserve/store"
)

//go:embed page.html
var page string

var pageTemplate = template.Must(template.New("page").Parse(page))

// data is what the page shows.
type data struct {
	Family   runtime.FamilyDetail `json:"family"`
	Variants []variantData        `json:"variants"`
}

type variantData struct {
	Name        string         `json:"name"`
	Basis       string         `json:"basis"`
	Bytes       int64          `json:"bytes"`
	SourceBytes int64          `json:"source_bytes"`
	Fitted      bool           `json:"fitted"`
	Fidelity    store.Fidelity `json:"fidelity"`
}

// WriteFile writes the page of a family to a file, and says so on w.
func WriteFile(w io.Writer, eng *runtime.Engine, family, path string) error {
	p, err := collect(eng, family)
	if err != nil {
		return err
	}
	style, err := assets("base.css", "spectrum.css")
	if err != nil {
		return err
	}
	script, err := assets("spectrum.js")
	if err != nil {
		return err
	}
	err = cli.WriteFile(path, func(file io.Writer) error {
		return pageTemplate.Execute(file, map[string]any{
			"Family": p.Family, "Data": p, "Style": template.CSS(style), "Script": template.JS(script)})
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "wrote %s: family %s, %s, %s\n", path, family, cli.Plural(len(p.Family.Layers), "layer"), cli.Plural(len(p.Variants), "variant"))
	return nil
}

func collect(eng *runtime.Engine, family string) (*data, error) {
	f, err := eng.Family(family)
	if err != nil {
		return nil, err
	}
	p := &data{Family: f, Variants: []variantData{}}
	list, _ := eng.Variants("", 0)
	for _, v := range list {
		if v.Family != family {
			continue
		}
		d, err := eng.Variant(v.Name)
		if err != nil {
			return nil, err
		}
		p.Variants = append(p.Variants, variantData{Name: d.Name, Basis: d.Basis, Bytes: d.Bytes, SourceBytes: d.SourceBytes,
			Fitted: d.Provenance.Fitted, Fidelity: d.Fidelity})
	}
	return p, nil
}

// assets returns the content of files of the server's page, one after the other.
func assets(names ...string) (string, error) {
	var all strings.Builder
	for _, name := range names {
		raw, err := web.Files.ReadFile(name)
		if err != nil {
			return "", err
		}
		all.Write(raw)
	}
	return all.String(), nil
}
