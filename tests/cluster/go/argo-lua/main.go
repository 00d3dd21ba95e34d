// argo-lua runs a Lua script over a Kubernetes object as Argo CD does: only the libraries base, package and table, of
// os only date and time, and one second. It reads {"script": …, "object": …} and writes {"value": …} or {"error": …}.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	lua "github.com/yuin/gopher-lua"
	luajson "layeh.com/gopher-json"
)

const limit = time.Second

type request struct {
	Script string `json:"script"`
	Object any    `json:"object"`
}

type answer struct {
	Value json.RawMessage `json:"value,omitempty"`
	Error string          `json:"error,omitempty"`
}

func main() {
	var asked request
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		fmt.Fprintln(os.Stderr, "argo-lua:", err)
		os.Exit(2)
	}
	var said answer
	value, err := run(asked)
	if err != nil {
		said.Error = err.Error()
	} else {
		said.Value = value
	}
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		fmt.Fprintln(os.Stderr, "argo-lua:", err)
		os.Exit(2)
	}
}

func run(asked request) (json.RawMessage, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	open(state, lua.LoadLibName, lua.OpenPackage)
	open(state, lua.BaseLibName, lua.OpenBase)
	open(state, lua.TabLibName, lua.OpenTable)
	state.PreloadModule(lua.OsLibName, clock)
	patience, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	state.SetContext(patience)
	state.SetGlobal("obj", luajson.DecodeValue(state, asked.Object))
	if err := state.DoString(asked.Script); err != nil {
		return nil, err
	}
	if state.GetTop() == 0 || state.Get(-1).Type() != lua.LTTable {
		return nil, fmt.Errorf("the script returned no table")
	}
	return luajson.Encode(state.Get(-1))
}

func open(state *lua.LState, name string, library lua.LGFunction) {
	state.Push(state.NewFunction(library))
	state.Push(lua.LString(name))
	state.Call(1, 0)
}

// clock is what is left of the os library; the whole of it never becomes visible to a script.
func clock(state *lua.LState) int {
	other := lua.NewState()
	defer other.Close()
	whole := other.GetGlobal(lua.OsLibName).(*lua.LTable)
	module := state.NewTable()
	for _, name := range []string{"date", "time"} {
		module.RawSetString(name, state.NewFunction(whole.RawGetString(name).(*lua.LFunction).GFunction))
	}
	state.Push(module)
	return 1
}
