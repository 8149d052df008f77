package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/certificate"
	"github.com/meridian-run/meridian/spec"
)

func initCommand() *command {
	return &command{
		name:    "init",
		summary: "make the certificates and keys of a world on your own machines",
		about: `Init makes one bundle a region, and one for the witness: a directory with the world's
CA, the node's certificate and key, the access keys and the admin token. Copy each one
to its machine and start it there with meridian serve. The directory authority stays
with you: it signs new certificates. Those of nodes hold for a year: --renew makes new
ones in the bundles, and a node takes them up without a restart when its two files
node.key and node.crt are replaced. --add makes the bundle of a region that comes to a
world which runs: its certificate is signed by the authority in --out, its keys and token
are those of the other bundles there.

Without a spec it writes a commented one to begin with, and nothing else.`,
		examples: []string{
			"meridian init                                   # writes meridian.yaml; edit it",
			"meridian init                                   # now writes bundles/",
			"meridian init --spec worlds/eu.yaml --out eu",
			"meridian init --renew                           # once a year",
			"meridian init --add sa-east-1                   # the spec names it now; then start it and apply the spec",
		},
		build: func(a *app, flags *flagSet) func(context.Context, []string) error {
			file := flags.String("spec", specName, "the spec `file`")
			out := flags.String("out", "bundles", "the `directory` to write")
			renew := flags.Bool("renew", false, "make new certificates for the bundles in --out, and nothing else")
			add := flags.String("add", "", "make the bundle of this `region` of the spec, beside those in --out")
			return func(_ context.Context, args []string) error {
				if err := want("init", args, 0, 0, "[--spec FILE] [--out DIRECTORY] [--renew] [--add REGION]"); err != nil {
					return err
				}
				if *renew {
					return a.renewBundles(*out)
				}
				if *add != "" {
					return a.addBundle(*file, *out, *add)
				}
				if _, err := os.Stat(*file); errors.Is(err, fs.ErrNotExist) {
					return a.writeStarter(*file)
				}
				w, err := spec.Load(*file)
				if err != nil {
					return err
				}
				return a.writeBundles(w, *file, *out)
			}
		},
	}
}

// writeStarter writes a spec to begin with; its world is named for the folder.
func (a *app) writeStarter(file string) error {
	path, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write a spec to begin with: %w", err)
	}
	_, err = f.Write(spec.Init(worldName(filepath.Base(filepath.Dir(path)))))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write a spec to begin with: %w", err)
	}
	fmt.Fprintf(a.out, "wrote %s: make it yours, then `meridian dev` runs it here, and `meridian init` makes bundles for your machines\n", file)
	return nil
}

// worldName makes a world's name of a folder's.
func worldName(folder string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, folder)
	name = strings.Trim(name[:min(len(name), 40)], "-")
	if name == "" || name[0] < 'a' {
		return strings.TrimSuffix("world-"+name, "-")
	}
	return name
}

func (a *app) writeBundles(w *spec.World, file, out string) error {
	nodes, err := reachable(w)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	plan := certificate.Plan{World: w.Name, Nodes: nodes, Spec: w.Source, Now: time.Now()}
	if w.Witness != nil {
		plan.Witness = w.Witness.Name
	}
	dirs, err := certificate.Init(out, plan)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, ".gitignore"), []byte("# keys and certificates\n*\n"), 0o644); err != nil {
		return err
	}
	token, err := filepath.Rel(out, filepath.Join(dirs[0], "admin.token"))
	if err != nil {
		return err
	}
	world := client.Context{World: w.Name, TokenFile: token}
	for _, r := range w.Regions {
		world.Regions = append(world.Regions, client.Endpoint{Region: r.Name, URL: "http://" + r.Addresses.Admin})
	}
	if err := client.WriteContext(filepath.Join(out, client.ContextName), world); err != nil {
		return err
	}
	a.sayBundles(plan, dirs)
	return nil
}

// renewBundles makes new certificates for the bundles in a directory.
func (a *app) renewBundles(out string) error {
	authority, err := certificate.OpenAuthority(out)
	if err != nil {
		return err
	}
	paths, err := filepath.Glob(filepath.Join(out, "*", "bundle.json"))
	if err != nil {
		return err
	}
	now := time.Now()
	for _, path := range paths {
		dir := filepath.Dir(path)
		if err := authority.Renew(dir, now, 0); err != nil {
			return err
		}
		bundle, err := certificate.OpenBundle(dir)
		if err != nil {
			return err
		}
		end, err := bundle.Identity.Expires()
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "%s holds until %s\n", dir, end.Format(time.DateOnly))
	}
	fmt.Fprintln(a.out, "\ncopy node.key and then node.crt of each to its machine; nodes take them up without a restart")
	return nil
}

// reachable returns the nodes' names; each must say where it is reached.
func reachable(w *spec.World) ([]string, error) {
	all := w.Regions
	if w.Witness != nil {
		all = append(all[:len(all):len(all)], *w.Witness)
	}
	var names, missing []string
	for _, r := range all {
		names = append(names, r.Name)
		if r.Addresses.Link == "" || r.Addresses.Admin == "" {
			missing = append(missing, r.Name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("the nodes of a world on several machines must reach each other: give %s an `address:`", strings.Join(missing, ", "))
	}
	return names, nil
}

func (a *app) sayBundles(plan certificate.Plan, dirs []string) {
	fmt.Fprintf(a.out, "made the bundles of world %s; copy each to its machine and start it there:\n\n", plan.World)
	for i, dir := range dirs {
		witness := ""
		if plan.Nodes[i] == plan.Witness {
			witness = " --witness"
		}
		fmt.Fprintf(a.out, "  meridian serve --bundle %s --data DIRECTORY%s\n", quote(dir), witness)
	}
	fmt.Fprintf(a.out, "\nkeep %s here and safe: it signs new certificates\n", quote(filepath.Join(filepath.Dir(dirs[0]), "authority")))
}
