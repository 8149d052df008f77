package function

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// account stands where AWS shows an account's number.
const account = "000000000000"

// environment is all that a process gets: what Lambda sets, then the service's
// own. Nothing comes from this process, which may hold secrets.
func environment(cfg Config, bundle, instance, api string) []string {
	env := map[string]string{
		"PATH":                            "/usr/local/bin:/usr/bin:/bin:/opt/bin",
		"LANG":                            "en_US.UTF-8",
		"TZ":                              ":UTC",
		"AWS_LAMBDA_RUNTIME_API":          api,
		"_HANDLER":                        "bootstrap",
		"LAMBDA_TASK_ROOT":                bundle,
		"LAMBDA_RUNTIME_DIR":              bundle,
		"AWS_LAMBDA_FUNCTION_NAME":        cfg.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(cfg.Memory),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + cfg.Name,
		logStream:                         instance,
		"AWS_REGION":                      cfg.Region,
		"AWS_DEFAULT_REGION":              cfg.Region,
		// There is no metadata service here, and an SDK would wait for one.
		"AWS_EC2_METADATA_DISABLED": "true",
	}
	maps.Copy(env, cfg.Env)
	var list []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// logStream names the variable that carries an instance's id; by it a process
// that outlived its runner is known again.
const logStream = "AWS_LAMBDA_LOG_STREAM_NAME"

func arn(cfg Config) string {
	return "arn:aws:lambda:" + cfg.Region + ":" + account + ":function:" + cfg.Name
}

// traceID is an X-Ray header value made of the call's id: not sampled.
func traceID(id string, at time.Time) string {
	return fmt.Sprintf("Root=1-%08x-%.24s;Sampled=0", uint32(at.Unix()), strings.ReplaceAll(id, "-", ""))
}
