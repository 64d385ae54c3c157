// Package web holds the files of the page, plain HTML, CSS and JavaScript modules, and finds
// the sample images that it offers. The files load nothing from other hosts and need no
// build step. Package server serves them.
package web

import "embed"

// Files are the files of the page. index.html is the page itself.
//
//go:embed index.html *.css *.js *.svg
var Files embed.FS
