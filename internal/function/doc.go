// Package function runs Lambda-compatible bundles as processes: from zero on
// the first call, several at once under load, and back to zero when idle.
//
// A bundle is a directory or a zip with an executable named bootstrap, as
// Lambda's provided.al2023 takes it. Each instance is one process that fetches
// its work from the Runtime API (version 2018-06-01) on a listener of its own: on
// a shared one a dead process's parked request would swallow the next
// invocation.
//
// What it promises:
//   - One invocation is in flight in an instance. Calls beyond Concurrency wait
//     in a short bounded queue and are then refused with ErrTooManyRequests.
//   - An instance that has not answered at its deadline is killed; one that dies
//     is replaced by the next call. However it ends, all that it started ends with
//     it: on Linux in whatever session it is, elsewhere in its process group.
//   - Check calls the function without counting as use: an instance that only
//     ever answered checks ends at once, and no check keeps another alive.
//   - A Runner that another one has replaced can finish its calls (Retire).
//   - No process outlives its Runner: Run ends all of them, and what a killed
//     process left behind is found by its record and ended at the next start.
//
// What it leaves to others: turning HTTP into events and errors into statuses
// (gateway), keys and endpoints in the environment (region).
//
// The isolation is that of a process (own process group, a clean environment,
// and on Linux death with its parent), not that of a microVM. Memory is told to
// the function, not enforced.
//
//	runner, err := function.New(function.Config{Name: "api", Bundle: dir, Dir: state})
//	go runner.Run(ctx)
//	response, err := runner.Invoke(ctx, id, event)
package function
