package model

import "net/http"

// Answer is what a request is answered with.
type Answer struct {
	Status int
	// Type and Message are of an error, Type without its namespace; Type is empty
	// for success.
	Type, Message string
	// Body is the answer as encoding/json reads one into any; of an error, what it
	// has beside its type and message.
	Body map[string]any
}

// Model is a region's tables.
type Model struct {
	tables map[string]*table
	tokens map[string]string // of transactions, with what they were
}

// New is a model without tables.
func New() *Model { return &Model{tables: map[string]*table{}, tokens: map[string]string{}} }

var operations = map[string]func(*Model, map[string]any) map[string]any{
	"CreateTable":    (*Model).createTable,
	"GetItem":        (*Model).getItem,
	"PutItem":        (*Model).putItem,
	"UpdateItem":     (*Model).updateItem,
	"DeleteItem":     (*Model).deleteItem,
	"BatchGetItem":   (*Model).batchGetItem,
	"BatchWriteItem": (*Model).batchWriteItem,
	"Query":          (*Model).query,

	"TransactGetItems":   (*Model).transactGetItems,
	"TransactWriteItems": (*Model).transactWriteItems,
	"Scan":               (*Model).scan,
}

// Ask does a request, as encoding/json reads one with numbers as json.Number.
func (m *Model) Ask(operation string, request map[string]any) (a Answer) {
	do, ok := operations[operation]
	if !ok {
		return Answer{Status: http.StatusBadRequest, Type: "UnknownOperationException", Body: map[string]any{}}
	}
	defer func() {
		stopped := recover()
		if stopped == nil {
			return
		}
		r, ok := stopped.(refusal)
		if !ok {
			panic(stopped)
		}
		a = Answer{Status: http.StatusBadRequest, Type: r.kind, Message: r.message, Body: map[string]any{}}
		if r.item != nil {
			a.Body["Item"] = itemJSON(r.item)
		}
		if r.reasons != nil {
			a.Body["CancellationReasons"] = r.reasons
		}
	}()
	checkParameters(operation, request)
	return Answer{Status: http.StatusOK, Body: do(m, request)}
}
