module github.com/fluxcd/pkg/http/fetch

go 1.26.0

require github.com/fluxcd/pkg/tar v1.4.0
