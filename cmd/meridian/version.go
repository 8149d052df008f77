package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
)

// release is set by who builds one: -ldflags "-X main.release=v1.2.3".
var release string

func versionCommand() *command {
	return &command{
		name:     "version",
		summary:  "what this binary is",
		about:    "Version prints this binary's version, and what it was built with and for.",
		examples: []string{"meridian version"},
		build: func(a *app, _ *flagSet) func(context.Context, []string) error {
			return func(_ context.Context, args []string) error {
				if err := want("version", args, 0, 0, ""); err != nil {
					return err
				}
				fmt.Fprintf(a.out, "meridian %s (%s, %s/%s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return nil
			}
		},
	}
}

// buildVersion is the release, else the module version of `go install`, else the
// commit, else "devel".
func buildVersion() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	var revision, dirty string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+changes"
		}
	}
	return cmp.Or(revision+dirty, "devel")
}
