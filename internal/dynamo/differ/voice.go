package differ

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/meridian-run/meridian/internal/dynamo/model"
)

// voice is one that answers DynamoDB's requests over HTTP.
type voice struct {
	url     string
	do      func(*http.Request) (*http.Response, error)
	signer  *v4.Signer
	id, key string
}

// ask sends a request.
func (v *voice) ask(ctx context.Context, operation string, request map[string]any) (model.Answer, error) {
	body := encode(request)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, v.url, bytes.NewReader(body))
	if err != nil {
		return model.Answer{}, err
	}
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	sum := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: v.id, SecretAccessKey: v.key}
	if err := v.signer.SignHTTP(ctx, credentials, r, hex.EncodeToString(sum[:]), "dynamodb", "eu-west-1", time.Now()); err != nil {
		return model.Answer{}, err
	}
	response, err := v.do(r)
	if err != nil {
		return model.Answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return model.Answer{}, err
	}
	return answerOf(response.StatusCode, text)
}

// answerOf reads an answer: of an error, its type and message apart from what
// else it has.
func answerOf(status int, text []byte) (model.Answer, error) {
	a := model.Answer{Status: status, Body: map[string]any{}}
	if err := decode(text, &a.Body); err != nil {
		return a, fmt.Errorf("an answer that is not JSON: %w: %.200q", err, text)
	}
	if status == http.StatusOK {
		return a, nil
	}
	name, _ := a.Body["__type"].(string)
	a.Type = name[strings.IndexByte(name, '#')+1:]
	for _, member := range []string{"message", "Message"} {
		if m, ok := a.Body[member].(string); ok {
			a.Message = m
		}
		delete(a.Body, member)
	}
	delete(a.Body, "__type")
	return a, nil
}
