package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"eigenserve/runtime"
	"eigenserve/server/web"
	"eigenserve/store"
)

//go:embed report.html
var reportPage string

var reportTemplate = template.Must(template.New("report").Parse(reportPage))

// pictured is what the page of a family draws.
type pictured struct {
	Family   runtime.FamilyDetail `json:"family"`
	Variants []picturedVariant    `json:"variants"`
}

type picturedVariant struct {
	Name        string         `json:"name"`
	Basis       string         `json:"basis"`
	Bytes       int64          `json:"bytes"`
	SourceBytes int64          `json:"source_bytes"`
	Fitted      bool           `json:"fitted"`
	Fidelity    store.Fidelity `json:"fidelity"`
}

// inspectHTML writes a page about a family that needs nothing beside it.
func (m *Main) inspectHTML(dir, family, path string) error {
	eng, err := openEngine(dir)
	if err != nil {
		return err
	}
	defer eng.Close()
	p, err := picture(eng, family)
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
	err = writeOutput(path, func(w io.Writer) error {
		return reportTemplate.Execute(w, map[string]any{
			"Family": p.Family, "Data": p, "Style": template.CSS(style), "Script": template.JS(script)})
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(m.Stdout, "wrote %s: family %s, %s, %s\n", path, family, number(len(p.Family.Layers), "layer"), number(len(p.Variants), "variant"))
	return nil
}

func picture(eng *runtime.Engine, family string) (*pictured, error) {
	f, err := eng.Family(family)
	if err != nil {
		return nil, err
	}
	p := &pictured{Family: f, Variants: []picturedVariant{}}
	list, _ := eng.Variants("", 0)
	for _, v := range list {
		if v.Family != family {
			continue
		}
		d, err := eng.Variant(v.Name)
		if err != nil {
			return nil, err
		}
		p.Variants = append(p.Variants, picturedVariant{Name: d.Name, Basis: d.Basis, Bytes: d.Bytes, SourceBytes: d.SourceBytes,
			Fitted: d.Provenance.Fitted, Fidelity: d.Fidelity})
	}
	return p, nil
}

// assets gives files of the server's page, one after the other.
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
