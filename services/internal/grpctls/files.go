package grpctls

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// System stands, as a CA, for the authorities that the system trusts. A file of that name is ./system.
const System = "system"

// maxFile is the longest file that is read, in bytes: the bundle of all public authorities has 220 KiB.
const maxFile = 1 << 20

// Files names the PEM files of one side of a connection. The zero value names none.
type Files struct {
	Cert string // its certificate, with those between it and its authority: --tls-cert
	Key  string // the private key of Cert, without a passphrase: --tls-key
	CA   string // the authorities whose certificates the other side may show, or System: --tls-ca
}

// Use is what a process shows its certificate for.
type Use uint8

// The uses, which add up: a coordinator is called, and calls its workers.
const (
	Serving Use = 1 << iota // to those who call it
	Calling                 // to those whom it calls
)

// Any reports whether a file is named.
func (f Files) Any() bool { return f != Files{} }

// Check finds names that are missing. Nothing is read.
func (f Files) Check(use Use) error {
	switch {
	case f.Cert != "" && f.Key == "":
		return fmt.Errorf("--tls-cert %s is without --tls-key; give the certificate's private key too", f.Cert)
	case f.Key != "" && f.Cert == "":
		return fmt.Errorf("--tls-key %s is without --tls-cert; give the key's certificate too", f.Key)
	case use&Serving != 0 && f.CA != "" && f.Cert == "":
		return fmt.Errorf("--tls-ca %s is without --tls-cert and --tls-key; a service that checks certificates has to show one too", f.CA)
	case use&Serving != 0 && f.CA == System:
		return errors.New("--tls-ca system would take the certificate of anyone whom a public authority knows; name the file of your own authority")
	}
	return nil
}

// material is what the files hold. It does not change.
type material struct {
	cert        *tls.Certificate // nil: none
	authorities *x509.CertPool   // nil: the system's
}

// load reads the files. The error is one sentence that names flag and file, and quotes neither.
func (f Files) load(use Use, now time.Time) (*material, error) {
	m := &material{}
	var err error
	if f.Cert != "" {
		if m.cert, err = f.pair(); err != nil {
			return nil, err
		}
		if err := f.checkLeaf(m.cert.Leaf, use, now); err != nil {
			return nil, err
		}
	}
	if f.CA != "" && f.CA != System {
		if m.authorities, err = f.pool(now); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (f Files) pair() (*tls.Certificate, error) {
	cert, err := read("--tls-cert", f.Cert)
	if err != nil {
		return nil, err
	}
	key, err := read("--tls-key", f.Key)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil { // its text may quote what it read
		return nil, fmt.Errorf("--tls-cert %s and --tls-key %s do not hold a certificate and its key, in PEM and without a passphrase;"+
			" name the two files that belong together", f.Cert, f.Key)
	}
	return &pair, nil
}

// checkLeaf refuses a certificate that the other side would refuse, which here is easier to explain.
func (f Files) checkLeaf(leaf *x509.Certificate, use Use, now time.Time) error {
	serves, calls := slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth), slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	_, named := nameOf(leaf)
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("--tls-cert %s expired on %s; renew it", f.Cert, leaf.NotAfter.UTC().Format(time.DateTime))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("--tls-cert %s is not valid before %s; set this machine's clock, or issue it anew", f.Cert, leaf.NotBefore.UTC().Format(time.DateTime))
	case use&Serving != 0 && !serves:
		return fmt.Errorf("--tls-cert %s is no service's certificate: its extended key usage is without serverAuth; name the service's own", f.Cert)
	case use&Calling != 0 && !calls:
		return fmt.Errorf("--tls-cert %s is no caller's certificate: its extended key usage is without clientAuth; name the caller's own", f.Cert)
	case use&Calling != 0 && !named:
		return fmt.Errorf("--tls-cert %s names nobody: it has no URI, DNS name or mail address as subject alternative name; issue it with one", f.Cert)
	}
	return nil
}

// pool reads the authorities. What cannot be read is not skipped, as x509's own reader does: an authority would be missing, and nobody
// would know.
func (f Files) pool(now time.Time) (*x509.CertPool, error) {
	rest, err := read("--tls-ca", f.CA)
	if err != nil {
		return nil, err
	}
	pool, found, valid := x509.NewCertPool(), 0, 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		found++
		authority, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("--tls-ca %s: certificate %d cannot be read; name a file with the authorities' certificates, in PEM", f.CA, found)
		}
		if !now.After(authority.NotAfter) {
			valid++
		}
		pool.AddCert(authority)
	}
	switch {
	case found == 0:
		return nil, fmt.Errorf("--tls-ca %s holds no certificate; name a file with the authorities' certificates, in PEM", f.CA)
	case valid == 0:
		return nil, fmt.Errorf("--tls-ca %s holds only authorities that have expired; renew them", f.CA)
	}
	return pool, nil
}

// read reads the file that a flag names. It may be a device without end.
func read(flag, name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; name a file that can be read", flag, err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w; name a file that can be read", flag, err)
	case len(content) > maxFile:
		return nil, fmt.Errorf("%s: %s is longer than the cap of %d bytes; use a smaller file", flag, name, maxFile)
	}
	return content, nil
}
