package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeCertificate writes a self-signed certificate for 127.0.0.1.
func writeCertificate(t *testing.T, cert, key string, serial int64) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, cert, key, 1)
	c, err := server.OpenCertificate(cert, key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c.CheckEvery(0) // look at the files for each handshake
	s := start(t, servertest.NewEngine(), server.Options{Certificate: c})

	// serial opens a connection and returns the serial number of the certificate.
	serial := func(config *tls.Config) (int64, error) {
		conn, err := tls.Dial("tcp", s.Addr, config)
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
	}
	trusting := &tls.Config{InsecureSkipVerify: true}
	if n, err := serial(trusting); n != 1 || err != nil {
		t.Fatalf("certificate %d, %v", n, err)
	}
	if _, err := serial(&tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is accepted")
	}

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: trusting}}
	defer client.CloseIdleConnections()
	for range 3 { // over one connection, which Watch reads in the meantime
		res, err := client.Post("https://"+s.Addr+"/v1/models/music-1/classify", "image/png", strings.NewReader("image"))
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%v %v", res, err)
		}
		_ = res.Body.Close()
	}

	writeCertificate(t, cert, key, 22)
	if n, err := serial(trusting); n != 22 || err != nil {
		t.Errorf("after it changed: certificate %d, %v", n, err)
	}
	if err := os.WriteFile(key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := serial(trusting); n != 22 || err != nil {
		t.Errorf("after it broke: certificate %d, %v", n, err)
	}
	if err := s.Reload(); err == nil {
		t.Error("Reload accepts a broken key")
	}
	if got := servertest.Status(s.Dial(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")); got == 200 {
		t.Error("plain HTTP is answered with TLS on")
	}
}

func TestOpenCertificateFails(t *testing.T) {
	if _, err := server.OpenCertificate("none.pem", "none.key", slog.Default()); err == nil || !strings.Contains(err.Error(), "none.pem") {
		t.Errorf("got %v", err)
	}
}
