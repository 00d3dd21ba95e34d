// argo-diff compares a resource of Git with the one in a cluster as Argo CD does, by its own engine and in both its ways:
// with what was applied last, and by a dry run of a server-side apply. It reads {"kubeconfig": …, "desired": …, "live": …}
// and writes {"clientSide": …, "serverSide": …}, each {"modified": …, "live": …, "predicted": …}.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/utils/tracing"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
)

const manager = "argocd-controller"

type request struct {
	Kubeconfig string                     `json:"kubeconfig"`
	Desired    *unstructured.Unstructured `json:"desired"`
	Live       *unstructured.Unstructured `json:"live"`
}

type answer struct {
	Modified  bool            `json:"modified"`
	Live      json.RawMessage `json:"live"`
	Predicted json.RawMessage `json:"predicted"`
}

func main() {
	var asked request
	err := json.NewDecoder(os.Stdin).Decode(&asked)
	if err == nil {
		err = compare(asked)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "argo-diff:", err)
		os.Exit(1)
	}
}

func compare(asked request) error {
	config, err := clientcmd.BuildConfigFromFlags("", asked.Kubeconfig)
	if err != nil {
		return err
	}
	kubectl := &kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}}
	_, parser, err := kubectl.LoadOpenAPISchema(config)
	if err != nil {
		return err
	}
	applier, cleanUp, err := kubectl.ManageServerSideDiffDryRuns(config)
	if err != nil {
		return err
	}
	defer cleanUp()
	options := []diff.Option{
		diff.WithManager(manager),
		diff.WithGVKParser(parser),
		diff.WithServerSideDryRunner(diff.NewK8sServerSideDryRunner(applier)),
	}
	answers := map[string]answer{}
	for way, isServerSide := range map[string]bool{"clientSide": false, "serverSide": true} {
		found, err := diff.Diff(context.Background(), asked.Desired, asked.Live, append(options, diff.WithServerSideDiff(isServerSide))...)
		if err != nil {
			return err
		}
		answers[way] = answer{Modified: found.Modified, Live: found.NormalizedLive, Predicted: found.PredictedLive}
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}
