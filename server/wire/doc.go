// Package wire holds what the server's protocols have in common: the table from the
// code of an error to how each protocol answers it, the memory and the pace of request
// bodies, names and references, timings, and images in base64. It neither reads nor
// answers requests.
package wire
