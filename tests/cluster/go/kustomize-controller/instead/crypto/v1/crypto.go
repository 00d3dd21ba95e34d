// Package v1 stands in for what reads the annotations by which an object logs in to a cloud: here none does.
package v1

import (
	"errors"
	"time"
)

const (
	CredentialProviderKubernetes = "kubernetes"
	CredentialProviderSPIFFE     = "spiffe"
	CredentialTypeJWT            = "jwt"

	ProviderAWS   = "aws"
	ProviderAzure = "azure"
	ProviderGCP   = "gcp"

	DefaultAudienceAWS   = ""
	DefaultAudienceAzure = ""
	RegistryAWSPublicECR = ""
)

var errLeftOut = errors.New("this build has no login to clouds, registries or Vault")

type (
	Spec     struct{ Auth *AuthSpec }
	Option   func(*Spec)
	AuthSpec struct {
		Credential    *Credential
		AWS           *AWS
		Azure         *Azure
		GCP           *GCP
		DockerHub     *DockerHub
		TransitEngine *TransitEngineSpec
	}
	Credential struct {
		Provider, Type, Username string
		Audiences                []string
		Expiration               time.Duration
	}
	AWS struct {
		RoleARN, STSEndpoint string
		Cluster              *struct{ Region, Name string }
	}
	Azure struct {
		TenantID, ClientID string
		Cluster            *struct{ SubscriptionID, ResourceGroup, Name string }
	}
	GCP               struct{ WorkloadIdentityProvider, ServiceAccount string }
	DockerHub         struct{ OIDCConnectionID string }
	TransitEngineSpec struct{ LoginPath, Role string }
)

func (*AuthSpec) OptedIn() bool { return false }

func BuildSpec(...Option) (*Spec, error) { return nil, errLeftOut }

func WithAnnotations(map[string]string) Option { return nil }
func WithServiceProvider(string) Option        { return nil }
func WithSOPSVaultConfigMap() Option           { return nil }
func WithKubeConfigCluster(string) Option      { return nil }
func WithKubeConfigAudiences(string) Option    { return nil }

func GetDefaultAudienceGCP(string) string                      { return "" }
func GetAWSRoleSessionName(_, _, _ string) string              { return "" }
func GetAWSRegionFromArtifactRegistryInput(string) string      { return "" }
func GetAWSRegionFromCodeCommitURL(string) (string, error)     { return "", errLeftOut }
func ParseArtifactRepository(_, _ string) (string, error)      { return "", errLeftOut }
func ParseGitRepository(_, _ string) (string, error)           { return "", errLeftOut }
func ParseClusterAddress(string) (string, error)               { return "", errLeftOut }
func GetRegistryFromArtifactRepository(string) (string, error) { return "", errLeftOut }
