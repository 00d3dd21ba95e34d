// Package fetch stands in for the download of a source's archive: once, of which the SHA-256 must be right.
package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/fluxcd/pkg/tar"
)

var (
	ErrFileNotFound   = errors.New("file not found")
	ErrDigestMismatch = errors.New("digest mismatch")
)

type (
	Option         func(*ArchiveFetcher)
	ArchiveFetcher struct{ untar []tar.Option }
)

func New(options ...Option) *ArchiveFetcher {
	fetcher := &ArchiveFetcher{}
	for _, option := range options {
		option(fetcher)
	}
	return fetcher
}

func WithUntar(options ...tar.Option) Option {
	return func(fetcher *ArchiveFetcher) { fetcher.untar = options }
}

func ignored(*ArchiveFetcher) {}

func WithLogger(any) Option               { return ignored }
func WithRetries(int) Option              { return ignored }
func WithMaxDownloadSize(int) Option      { return ignored }
func WithHostnameOverwrite(string) Option { return ignored }
func WithTLSConfig(*tls.Config) Option    { return ignored }

func (f *ArchiveFetcher) FetchWithContext(ctx context.Context, url, digest, dir string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return ErrFileNotFound
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	archive, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if computed := fmt.Sprintf("sha256:%x", sha256.Sum256(archive)); computed != digest {
		return fmt.Errorf("%w: %s instead of %s", ErrDigestMismatch, computed, digest)
	}
	return tar.Untar(bytes.NewReader(archive), dir, f.untar...)
}
