package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/certificate"
)

func keyCommand() *command {
	return &command{
		name:      "key",
		arguments: "create|grant|list|remove [ID]",
		summary:   "the access keys of tables: make, list, limit and remove them",
		about: `Key works on the file keys.json of each bundle of the world, here. Regions read theirs
again within a second when it changes: those of meridian dev have it at once, and for
others copy it to their machines. Restarts are not needed.

  create  make a key and print it, as shell commands; its secret is shown only now
  grant   let the key of a program do more
  list    who may do what
  remove  take a key away

What a key may do: --read and --write items, --manage tables, on each --table, whose name
may end in a star, and only on items whose partition key begins with --prefix. A key with
--admin may do everything. To change a key while programs use it, create another one
--like it, give that to them, and remove the first.`,
		examples: []string{
			"meridian key create --name batch --table notes --read",
			"meridian key create --name shop --table 'orders-*' --read --write --prefix user-1/",
			"meridian key grant MRDN3J5QZK7W2VYD6AXT --table stock --read",
			"meridian key create --like MRDN3J5QZK7W2VYD6AXT && meridian key remove MRDN3J5QZK7W2VYD6AXT",
		},
		words: []string{"create", "grant", "list", "remove"},
		build: func(a *app, flags *flagSet) func(context.Context, []string) error {
			k := keys{app: a, world: worldFlags(a, flags)}
			k.declare(flags)
			return func(_ context.Context, args []string) error { return k.run(args) }
		},
	}
}

// keys is one run of the key command.
type keys struct {
	app   *app
	world *worldCommand

	bundles, name, like, prefix string
	tables                      repeated
	read, write, manage, admin  bool
}

func (k *keys) declare(flags *flagSet) {
	flags.StringVar(&k.bundles, "bundles", "", "the `directory` of the bundles (default: where the world's context has its token)")
	flags.StringVar(&k.name, "name", "", "create: whose key it is, as errors and lists say `it`")
	flags.StringVar(&k.like, "like", "", "create: may do what the key with this `id` may")
	flags.Var(&k.tables, "table", "create, grant: the `name` of a table, or its beginning and a star; may be repeated")
	flags.BoolVar(&k.read, "read", false, "create, grant: may read items")
	flags.BoolVar(&k.write, "write", false, "create, grant: may write items")
	flags.BoolVar(&k.manage, "manage", false, "create, grant: may make, change and delete tables")
	flags.StringVar(&k.prefix, "prefix", "", "create, grant: only items whose partition key begins with this `text`")
	flags.BoolVar(&k.admin, "admin", false, "create: may do everything")
}

func (k *keys) run(args []string) error {
	if err := want("key", args, 1, 2, "create|grant|list|remove [ID]"); err != nil {
		return err
	}
	verb, id := args[0], ""
	if len(args) == 2 {
		id = args[1]
	}
	if needs := verb == "grant" || verb == "remove"; needs != (id != "") {
		return usagef("key: grant and remove take the id of a key, create and list take none")
	}
	files, err := k.files()
	if err != nil {
		return err
	}
	switch verb {
	case "create":
		return k.create(files)
	case "grant":
		return k.grant(files, id)
	case "list":
		return k.list(files)
	case "remove":
		return k.remove(files, id)
	}
	return usagef("key: a key can be created, granted more, listed or removed, not %q", verb)
}

// keysFile is the keys file of one bundle.
type keysFile struct {
	path string
	keys []access.Key
	dev  bool
}

func (f keysFile) find(id string) int {
	return slices.IndexFunc(f.keys, func(k access.Key) bool { return k.ID == id })
}

// files reads the keys of all bundles.
func (k *keys) files() ([]keysFile, error) {
	dir := k.bundles
	if dir == "" {
		known, err := k.world.load()
		if err != nil {
			return nil, err
		}
		dir = filepath.Dir(filepath.Dir(known.TokenFile))
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*", "bundle.json"))
	if err != nil {
		return nil, err
	}
	var files []keysFile
	for _, path := range paths {
		b, err := certificate.OpenBundle(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		f := keysFile{path: b.KeysPath(), dev: b.Dev}
		if f.keys, err = access.ReadFile(f.path); err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no bundles: say with --bundles where those of the world are", dir)
	}
	return files, nil
}

// wanted is what the flags allow; nothing where they name no table.
func (k *keys) wanted() ([]access.Grant, error) {
	g := access.Grant{Tables: k.tables, Prefix: k.prefix}
	for _, x := range []struct {
		set    bool
		action access.Action
	}{{k.read, access.Read}, {k.write, access.Write}, {k.manage, access.Manage}} {
		if x.set {
			g.Actions = append(g.Actions, x.action)
		}
	}
	if len(g.Tables) == 0 && len(g.Actions) == 0 && g.Prefix == "" {
		return nil, nil
	}
	if err := g.Check(); err != nil {
		return nil, usagef("key: %v: say --table NAME and --read, --write or --manage", err)
	}
	return []access.Grant{g}, nil
}

func (k *keys) create(files []keysFile) error {
	grants, err := k.wanted()
	if err != nil {
		return err
	}
	made := access.Key{Kind: access.Program, Name: k.name, Grants: grants}
	ways := 0
	for _, set := range []bool{k.admin, k.like != "", len(grants) > 0} {
		if set {
			ways++
		}
	}
	if ways != 1 {
		return usagef("key: create wants --table and what the key may do, or --like ID, or --admin")
	}
	if k.admin {
		made.Kind = access.Admin
	}
	if k.like != "" {
		model, err := oneKey(files, k.like)
		if err != nil {
			return err
		}
		made.Kind, made.Tables, made.Grants = model.Kind, model.Tables, model.Grants
		if k.name == "" {
			made.Name = model.Name
		}
	}
	made.ID, made.Secret = certificate.NewAccessKey()
	for i := range files {
		files[i].keys = append(files[i].keys, made)
	}
	if err := k.save(files); err != nil {
		return err
	}
	set := shells[k.app.shell("")].set
	fmt.Fprintln(k.app.out, set("AWS_ACCESS_KEY_ID", made.ID))
	fmt.Fprintln(k.app.out, set("AWS_SECRET_ACCESS_KEY", made.Secret))
	return nil
}

// oneKey finds a key in the bundles.
func oneKey(files []keysFile, id string) (access.Key, error) {
	for _, f := range files {
		if i := f.find(id); i >= 0 {
			return f.keys[i], nil
		}
	}
	return access.Key{}, client.Errorf(client.CodeNotFound, "there is no key %s; meridian key list has all", id)
}

func (k *keys) grant(files []keysFile, id string) error {
	grants, err := k.wanted()
	if err != nil {
		return err
	}
	if len(grants) == 0 {
		return usagef("key: grant wants --table and what the key may do")
	}
	key, err := oneKey(files, id)
	if err != nil {
		return err
	}
	if key.Kind != access.Program {
		return fmt.Errorf("%s has no grants: it is not a program's key", key)
	}
	for _, f := range files {
		if i := f.find(id); i >= 0 {
			f.keys[i].Grants = append(f.keys[i].Grants, grants...)
		}
	}
	return k.save(files)
}

func (k *keys) remove(files []keysFile, id string) error {
	if _, err := oneKey(files, id); err != nil {
		return err
	}
	for i, f := range files {
		files[i].keys = slices.DeleteFunc(f.keys, func(k access.Key) bool { return k.ID == id })
		if !slices.ContainsFunc(files[i].keys, func(k access.Key) bool { return k.Kind == access.Admin }) {
			return fmt.Errorf("%s is the last key that may do everything: make another one first, meridian key create --like %[1]s", id)
		}
	}
	return k.save(files)
}

// save writes all files and says what is left to do.
func (k *keys) save(files []keysFile) error {
	dev := false
	for _, f := range files {
		if err := access.WriteFile(f.path, f.keys); err != nil {
			return err
		}
		dev = dev || f.dev
	}
	if dev {
		fmt.Fprintln(k.app.err, "the regions take it up within a second")
		return nil
	}
	fmt.Fprintln(k.app.err, "copy these to the machines of their regions, which take them up within a second, without a restart:")
	for _, f := range files {
		fmt.Fprintf(k.app.err, "  %s\n", quote(f.path))
	}
	return nil
}

// list shows each key once, without its secret, and where a bundle lacks it.
func (k *keys) list(files []keysFile) error {
	shown := table{style: k.app.styleOf(k.app.out)}
	shown.row("ID", "NAME", "MAY")
	seen := map[string]bool{}
	for _, f := range files {
		for _, key := range f.keys {
			if seen[key.ID] {
				continue
			}
			seen[key.ID] = true
			may := allowance(key)
			for _, other := range files {
				if other.find(key.ID) < 0 {
					may += "; not in " + other.path
				}
			}
			shown.row(plain(key.ID), plain(key.Name), plain(may))
		}
	}
	shown.write(k.app.out)
	return nil
}

// allowance is what a key may do, in words.
func allowance(key access.Key) string {
	switch key.Kind {
	case access.Admin:
		return "everything"
	case access.Function:
		return "read, write " + strings.Join(key.Tables, " ")
	}
	var parts []string
	for _, g := range key.Grants {
		var actions []string
		for _, a := range g.Actions {
			actions = append(actions, string(a))
		}
		part := strings.Join(actions, ", ") + " " + strings.Join(g.Tables, " ")
		if g.Prefix != "" {
			part += " where the partition key begins with " + g.Prefix
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}
