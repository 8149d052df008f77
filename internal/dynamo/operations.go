package dynamo

import "context"

// operation is one operation of the API: what it takes and what it does. run
// appends its answer to c.out.
type operation struct {
	parameters []parameter
	run        func(ctx context.Context, c *call) error
}

// operations is the API.
var operations = map[string]operation{
	"GetItem":            {getItemParameters, getItem},
	"PutItem":            {putItemParameters, putItem},
	"UpdateItem":         {updateItemParameters, updateItem},
	"DeleteItem":         {deleteItemParameters, deleteItem},
	"Query":              {queryParameters, query},
	"Scan":               {scanParameters, scan},
	"BatchGetItem":       {batchGetParameters, batchGetItem},
	"BatchWriteItem":     {batchWriteParameters, batchWriteItem},
	"CreateTable":        {createTableParameters, createTable},
	"DescribeTable":      {tableOnly, describeTable},
	"ListTables":         {listTablesParameters, listTables},
	"UpdateTable":        {updateTableParameters, updateTable},
	"DeleteTable":        {tableOnly, deleteTable},
	"DescribeTimeToLive": {tableOnly, describeTimeToLive},
	"UpdateTimeToLive":   {updateTimeToLiveParameters, updateTimeToLive},
	"DescribeLimits":     {nil, describeLimits},
	"DescribeEndpoints":  {nil, describeEndpoints},
}
