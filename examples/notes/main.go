// Command notes is an ordinary Lambda function over a DynamoDB table. It knows
// nothing of Meridian: endpoint, region and keys are in the usual environment.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

type app struct {
	db            *dynamodb.Client
	table, region string
}

func main() {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(app{dynamodb.NewFromConfig(cfg), os.Getenv("TABLE_NAME"), os.Getenv("AWS_REGION")}.handle)
}

func (a app) handle(ctx context.Context, r events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	status, body := a.answer(ctx, r)
	encoded, err := json.Marshal(body)
	if status == 204 {
		encoded = nil
	}
	return events.APIGatewayV2HTTPResponse{StatusCode: status, Body: string(encoded), Headers: map[string]string{
		"Content-Type": "application/json", "Access-Control-Allow-Origin": "*",
		"Access-Control-Allow-Methods": "*", "Access-Control-Allow-Headers": "*",
	}}, err
}

func (a app) answer(ctx context.Context, r events.APIGatewayV2HTTPRequest) (status int, body any) {
	path := strings.Trim(r.RawPath, "/")
	id, isNote := strings.CutPrefix(path, "data/")
	switch method := r.RequestContext.HTTP.Method; {
	case method == "OPTIONS":
		return 204, nil
	case method == "POST" && path == "data":
		return a.add(ctx, r)
	case method == "GET" && isNote:
		if item, err := a.get(ctx, id); err != nil {
			return failed(err)
		} else if item != nil {
			return 200, map[string]any{"Item": item}
		}
		return 200, struct{}{}
	case method == "GET" && path == "health":
		return a.health(ctx)
	}
	return 404, map[string]string{"error": "Not found!"}
}

func (a app) add(ctx context.Context, r events.APIGatewayV2HTTPRequest) (int, any) {
	body := []byte(r.Body)
	if r.IsBase64Encoded {
		body, _ = base64.StdEncoding.DecodeString(r.Body) // broken base64 is broken JSON
	}
	var note struct{ Name string }
	if json.Unmarshal(body, &note) != nil || note.Name == "" {
		return 400, map[string]string{"error": "Bad input!"}
	}
	call, _ := lambdacontext.FromContext(ctx)
	item := map[string]types.AttributeValue{"pk": text(call.AwsRequestID), "name": text(note.Name), "region": text(a.region)}
	if _, err := a.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &a.table, Item: item}); err != nil {
		return failed(err)
	}
	return 200, map[string]string{"requestId": call.AwsRequestID}
}

// get returns a note in DynamoDB's JSON, nil if there is none.
func (a app) get(ctx context.Context, id string) (item map[string]any, err error) {
	key := map[string]types.AttributeValue{"pk": text(id)}
	out, err := a.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &a.table, Key: key})
	if err != nil || out.Item == nil {
		return nil, err
	}
	item = map[string]any{}
	for name, value := range out.Item {
		if s, ok := value.(*types.AttributeValueMemberS); ok {
			item[name] = map[string]string{"S": s.Value}
		}
	}
	return item, nil
}

// health is deep: the region is well only if its table answers.
func (a app) health(ctx context.Context) (int, any) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	begin, status, code := time.Now(), "healthy", 200
	if _, err := a.get(ctx, "health"); err != nil {
		log.Print(err)
		status, code = "unhealthy", 503
	}
	database := map[string]any{"status": status, "latency_ms": time.Since(begin).Milliseconds()}
	return code, map[string]any{"status": status, "checks": map[string]any{"database": database}}
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func failed(err error) (int, any) {
	log.Print(err)
	return 500, map[string]string{"error": "Internal Service Error!"}
}
