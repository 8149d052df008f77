// Package spec reads the file that describes a world: its regions, tables and
// services, and how traffic reaches them.
//
// Load and Parse are strict. An unknown key, a wrong type, a missing setting,
// a name that does not exist and a contradiction between two settings are each
// one [Error] with the file, line and column, what is wrong and what to write
// instead; all errors of a file come at once, in its order. What they return
// without an error is complete: every default is filled in, every name
// resolved.
//
//	world, err := spec.Load("meridian.yaml")
//	if err != nil {
//		fmt.Println(err) // one line for each mistake
//	}
//	for _, r := range world.Regions {
//		fmt.Println(r.Name, r.Point)
//	}
//
// Defaults and limits are in defaults.go. Format writes a world back with
// every default spelled out, and Digest tells whether two specs mean the same.
//
// The package reads files and nothing else. What a region does with a service,
// which environment a function sees and where a process listens is decided by
// those who use it.
package spec
