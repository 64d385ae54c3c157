// Package web holds the page's files: plain HTML, style and JavaScript modules,
// sent as they are. They load nothing from other hosts and need no build step.
// What serves them is in the server package.
package web

import "embed"

// Files are the page's files; index.html is the page, the others lie beside it.
//
//go:embed index.html *.css *.js *.svg
var Files embed.FS
