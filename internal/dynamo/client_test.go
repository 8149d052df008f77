package dynamo_test

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	smithy "github.com/aws/smithy-go/middleware"
)

// goSDK is the AWS SDK for Go as a team would use it, in one case: of a region in
// memory, or, under make test-clients, of the region that the environment names.
type goSDK struct {
	*dynamodb.Client
	streams    *dynamodbstreams.Client
	operations []string // that the case asked for
}

// goCase runs a named case with the SDK, and writes what came of it for
// make test-clients.
func goCase(t *testing.T, name string, run func(t *testing.T, c *goSDK)) {
	t.Run(name, func(t *testing.T) {
		c := &goSDK{}
		defer func() {
			switch f := recover().(type) {
			case failure:
				t.Error(f.err)
			case any:
				panic(f)
			}
			c.record(t, name)
		}()
		settings := c.settings(t)
		c.Client, c.streams = dynamodb.NewFromConfig(settings), dynamodbstreams.NewFromConfig(settings)
		run(t, c)
	})
}

// settings are the SDK's own, with nothing but the standard environment.
func (c *goSDK) settings(t *testing.T) aws.Config {
	t.Helper()
	if os.Getenv("RESULTS") == "" {
		r := newRegion(t)
		t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", r.url)
		t.Setenv("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", r.url)
		t.Setenv("AWS_REGION", "eu-west-1")
		t.Setenv("AWS_ACCESS_KEY_ID", admin.ID)
		t.Setenv("AWS_SECRET_ACCESS_KEY", admin.Secret)
		t.Setenv("AWS_SESSION_TOKEN", "")
		t.Setenv("AWS_PROFILE", "")
		t.Setenv("AWS_CONFIG_FILE", os.DevNull)
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	}
	return must(config.LoadDefaultConfig(t.Context(), config.WithAPIOptions([]func(*smithy.Stack) error{c.watch})))
}

// watch notes the operations that are asked for.
func (c *goSDK) watch(stack *smithy.Stack) error {
	note := func(ctx context.Context, in smithy.InitializeInput, next smithy.InitializeHandler) (smithy.InitializeOutput, smithy.Metadata, error) {
		c.operations = append(c.operations, middleware.GetOperationName(ctx))
		return next.HandleInitialize(ctx, in)
	}
	return stack.Initialize.Add(smithy.InitializeMiddlewareFunc("watch", note), smithy.After)
}

// record adds the case to the file that RESULTS names, if it does.
func (c *goSDK) record(t *testing.T, name string) {
	path := os.Getenv("RESULTS")
	if path == "" {
		return
	}
	slices.Sort(c.operations)
	line := must(json.Marshal(map[string]any{
		"client": "Go SDK v2", "version": aws.SDKVersion, "case": name,
		"operations": slices.Compact(c.operations), "passed": !t.Failed(),
	}))
	f := must(os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644))
	defer f.Close()
	must(f.Write(append(line, '\n')))
}

// made creates a table with pk and sk, a number, and waits for it. It answers the
// name.
func (c *goSDK) made(t *testing.T, name string, change ...func(*dynamodb.CreateTableInput)) string {
	t.Helper()
	in := &dynamodb.CreateTableInput{
		TableName: aws.String("go-" + name), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeN},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
		},
	}
	for _, f := range change {
		f(in)
	}
	must(c.CreateTable(t.Context(), in))
	waiter := dynamodb.NewTableExistsWaiter(c, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay, o.MaxDelay = time.Millisecond, time.Second })
	if err := waiter.Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: in.TableName}, time.Minute); err != nil {
		t.Fatal(err)
	}
	return *in.TableName
}

// failure is what must panics with; goCase makes it the case's.
type failure struct{ err error }

// must answers v. An error ends the case.
func must[T any](v T, err error) T {
	if err != nil {
		panic(failure{err})
	}
	return v
}
