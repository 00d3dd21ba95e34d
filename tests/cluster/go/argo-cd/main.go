// argo-cd is what of Argo CD reconciles an Application and runs its scripts, each part by its name: application-controller,
// repo-server, redis (which is miniredis here) and lua. Its API server, its pages and what else it is made of are left out.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alicebob/miniredis/v2"
	controller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	root := &cobra.Command{Use: "argo-cd", SilenceUsage: true}
	root.AddCommand(
		named("application-controller", controller.NewCommand()),
		named("repo-server", reposerver.NewCommand()),
		&cobra.Command{Use: "redis ADDRESS", Args: cobra.ExactArgs(1), RunE: serveRedis},
		&cobra.Command{Use: "lua", Args: cobra.NoArgs, RunE: runLua},
	)
	if err := root.Execute(); err != nil {
		os.Exit(1)
	}
}

func named(name string, command *cobra.Command) *cobra.Command {
	command.Use = name
	return command
}

func serveRedis(_ *cobra.Command, args []string) error {
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr(args[0]); err != nil {
		return err
	}
	defer server.Close()
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, os.Interrupt)
	<-asked
	return nil
}

// runLua reads {"use": "health" | "discovery" | "action", "script": …, "object": …}, one after another until they end, and
// answers each with {"value": …} or {"error": …}.
func runLua(*cobra.Command, []string) error {
	questions, answers := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var asked struct {
			Use, Script string
			Object      map[string]any
		}
		if err := questions.Decode(&asked); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		value, err := said(asked.Use, asked.Script, &unstructured.Unstructured{Object: asked.Object})
		answer := map[string]any{"value": value}
		if err != nil {
			answer = map[string]any{"error": err.Error()}
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
}

func said(use, script string, object *unstructured.Unstructured) (any, error) {
	switch vm := (lua.VM{}); use {
	case "health":
		return vm.ExecuteHealthLua(object, script)
	case "discovery":
		return vm.ExecuteResourceActionDiscovery(object, []string{script})
	case "action":
		impacted, err := vm.ExecuteResourceAction(object, script, nil)
		if err != nil {
			return nil, err
		}
		return impacted[0].UnstructuredObj, nil
	}
	return nil, fmt.Errorf("no script is used for %q", use)
}
