package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"

	"eigenserve/server/internal/reload"
)

// Certificate is a TLS certificate with its key. It is read again when its files change.
type Certificate struct {
	file *reload.Value[*tls.Certificate]
}

// OpenCertificate reads a certificate and its key, both in PEM.
func OpenCertificate(cert, key string, log *slog.Logger) (*Certificate, error) {
	f, err := reload.Open(log, func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		return &pair, nil
	}, cert, key)
	if err != nil {
		return nil, err
	}
	return &Certificate{f}, nil
}

// config returns a configuration that uses the certificate as it is at each handshake,
// and Go's own choice of ciphers.
func (c *Certificate) config(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: protocols,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.file.Get(), nil
		},
	}
}
