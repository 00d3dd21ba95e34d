// Package spiffe stands in for mutual TLS between Flux's own controllers: here there is one.
package spiffe

import (
	"crypto/tls"
	"errors"

	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

const (
	ControllerFlagAuthorizedArtifactServerSPIFFEID = "authorized-artifact-server-spiffe-id"
	ControllerFlagAuthorizedEventServerSPIFFEID    = "authorized-event-server-spiffe-id"
	ControllerFlagSPIFFEBrokerEndpoint             = "spiffe-broker-endpoint"
	ControllerFlagSPIFFEBrokerID                   = "spiffe-broker-id"
)

func BuildTLSConfig(*workloadapi.X509Source, ...string) (*tls.Config, error) {
	return nil, errors.New("this build has no SPIFFE")
}
