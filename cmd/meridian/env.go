package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/meridian-run/meridian/client"
)

func envCommand() *command {
	return &command{
		name:      "env",
		arguments: "REGION",
		summary:   "the environment that points AWS SDKs at a region's tables",
		about: `Env prints shell commands that set what every AWS SDK and the aws command read, for
the tables of one region: endpoint, region and keys of this world. It unsets the
profile and the session token, which would win over them.`,
		examples: []string{
			`eval "$(meridian env eu-west-1)" && aws dynamodb scan --table-name notes`,
			"meridian env eu-west-1 --shell fish | source",
		},
		regions: true,
		build: func(a *app, flags *flagSet) func(context.Context, []string) error {
			w := worldFlags(a, flags)
			shell := flags.String("shell", "", "write for `sh`, fish or powershell (default: by the variable SHELL)")
			return func(ctx context.Context, args []string) error {
				if err := want("env", args, 1, 1, "REGION"); err != nil {
					return err
				}
				write, known := shells[a.shell(*shell)]
				if !known {
					return usagef("env: --shell is sh, fish or powershell, not %q", *shell)
				}
				c, err := w.client(args[0])
				if err != nil {
					return err
				}
				e, err := c.Environment(ctx, args[0])
				if err != nil {
					return err
				}
				if c.Answered() != args[0] {
					fmt.Fprintf(a.err, "answered by %s\n", c.Answered())
				}
				writeEnvironment(a.out, write, e)
				return nil
			}
		},
	}
}

// shell returns the shell to write for: the flag, else the user's, else sh.
func (a *app) shell(flag string) string {
	if flag == "" && strings.HasSuffix(a.getenv("SHELL"), "/fish") {
		return "fish"
	}
	switch flag {
	case "", "bash", "zsh":
		return "sh"
	case "pwsh":
		return "powershell"
	}
	return flag
}

// dialect is how a shell sets and unsets a variable.
type dialect struct {
	set   func(name, value string) string
	unset func(name string) string
}

var shells = map[string]dialect{
	"sh": {
		set:   func(name, value string) string { return "export " + name + "=" + quote(value) },
		unset: func(name string) string { return "unset " + name },
	},
	"fish": {
		set: func(name, value string) string {
			return "set -gx " + name + " '" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
		},
		unset: func(name string) string { return "set -e " + name },
	},
	"powershell": {
		set: func(name, value string) string {
			return "$Env:" + name + " = '" + strings.ReplaceAll(value, "'", "''") + "'"
		},
		unset: func(name string) string {
			return "Remove-Item -ErrorAction SilentlyContinue Env:" + name
		},
	},
}

func writeEnvironment(w io.Writer, d dialect, e client.Environment) {
	for _, v := range [][2]string{
		{"AWS_ENDPOINT_URL_DYNAMODB", e.TablesURL},
		{"AWS_ENDPOINT_URL_DYNAMODB_STREAMS", e.TablesURL},
		{"AWS_REGION", e.Region},
		{"AWS_DEFAULT_REGION", e.Region},
		{"AWS_ACCESS_KEY_ID", e.AccessKeyID},
		{"AWS_SECRET_ACCESS_KEY", e.SecretAccessKey},
	} {
		fmt.Fprintln(w, d.set(v[0], v[1]))
	}
	for _, name := range []string{"AWS_PROFILE", "AWS_SESSION_TOKEN"} {
		fmt.Fprintln(w, d.unset(name))
	}
}
