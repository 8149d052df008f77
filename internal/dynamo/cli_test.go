package dynamo_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The AWS CLI, with nothing but the standard environment, works.
func TestD2_TheAWSCommandLineWorks(t *testing.T) {
	aws, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("no aws command here")
	}
	if testing.Short() {
		t.Skip("each call takes a second")
	}
	r := newRegion(t)
	run := func(arguments ...string) string {
		t.Helper()
		cmd := exec.Command(aws, append([]string{"dynamodb"}, arguments...)...)
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LANG=C.UTF-8", "AWS_ENDPOINT_URL=" + r.url, "AWS_DEFAULT_REGION=eu-west-1", // version 1 knows no AWS_REGION
			"AWS_ACCESS_KEY_ID=" + admin.ID, "AWS_SECRET_ACCESS_KEY=" + admin.Secret,
			"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true",
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("aws dynamodb %s: %v\n%s", strings.Join(arguments, " "), err, out)
		}
		return string(out)
	}
	run("create-table", "--table-name", "notes", "--attribute-definitions", "AttributeName=pk,AttributeType=S", "--key-schema", "AttributeName=pk,KeyType=HASH", "--billing-mode", "PAY_PER_REQUEST")
	run("put-item", "--table-name", "notes", "--item", `{"pk":{"S":"1"},"text":{"S":"héllo"},"b":{"B":"AQI="}}`)
	got := run("scan", "--table-name", "notes", "--query", "Items[0].text.S", "--output", "text")
	if strings.TrimSpace(got) != "héllo" {
		t.Errorf("scan answers %s", got)
	}
}
