package dynamo

import (
	"context"

	"github.com/meridian-run/meridian/internal/backup"
)

// operation is one operation of the API: what it takes and what it does. run
// appends its answer to c.out.
type operation struct {
	parameters []parameter
	run        func(ctx context.Context, c *call) error
	// touched appends the tables whose items a request reads or writes, by the
	// names that it has for them; nil is none. What is wrong with the request it
	// leaves to run. By it, requests find the primary of their tables and wait for
	// their copies.
	touched func(c *call, dst []touched) []touched
}

// operations is the API.
var operations = map[string]operation{
	"GetItem":               {getItemParameters, getItem, readsTable},
	"PutItem":               {putItemParameters, putItem, writesTable},
	"UpdateItem":            {updateItemParameters, updateItem, writesTable},
	"DeleteItem":            {deleteItemParameters, deleteItem, writesTable},
	"Query":                 {queryParameters, query, readsTable},
	"Scan":                  {scanParameters, scan, readsTable},
	"BatchGetItem":          {batchGetParameters, batchGetItem, readsBatch},
	"BatchWriteItem":        {batchWriteParameters, batchWriteItem, writesBatch},
	"TransactGetItems":      {transactGetParameters, transactGetItems, touchesParts(readKinds)},
	"TransactWriteItems":    {transactWriteParameters, transactWriteItems, touchesParts(writeKinds)},
	"ExecuteStatement":      {executeParameters, executeStatement, touchesStatements},
	"BatchExecuteStatement": {batchParameters, batchExecuteStatement, touchesStatements},
	"ExecuteTransaction":    {transactParameters, executeTransaction, touchesStatements},
	"CreateTable":           {createTableParameters, createTable, nil},
	"DescribeTable":         {tableOnly, describeTable, nil},
	"ListTables":            {listTablesParameters, listTables, nil},
	"UpdateTable":           {updateTableParameters, updateTable, nil},
	"DeleteTable":           {tableOnly, deleteTable, nil},
	"DescribeTimeToLive":    {tableOnly, describeTimeToLive, nil},
	"UpdateTimeToLive":      {updateTimeToLiveParameters, updateTimeToLive, nil},
	"TagResource":           {tagParameters, tagResource, nil},
	"UntagResource":         {untagParameters, untagResource, nil},
	"ListTagsOfResource":    {listTagsParameters, listTagsOfResource, nil},
	"DescribeLimits":        {nil, describeLimits, nil},
	"DescribeEndpoints":     {nil, describeEndpoints, nil},

	"CreateGlobalTable":           {createGlobalParameters, createGlobalTable, nil},
	"UpdateGlobalTable":           {updateGlobalParameters, updateGlobalTable, nil},
	"DescribeGlobalTable":         {globalOnly, describeGlobalTable, nil},
	"ListGlobalTables":            {listGlobalParameters, listGlobalTables, nil},
	"DescribeGlobalTableSettings": {globalOnly, describeGlobalTableSettings, nil},
	"UpdateGlobalTableSettings":   {updateGlobalSettingsParameters, updateGlobalTableSettings, nil},

	"DescribeContributorInsights":         {onIndex, describeContributorInsights, nil},
	"ListContributorInsights":             {insightsList, listContributorInsights, nil},
	"UpdateContributorInsights":           {insightsUpdate, updateContributorInsights, nil},
	"DescribeKinesisStreamingDestination": {tableOnly, describeKinesis, nil},
	"EnableKinesisStreamingDestination":   {kinesisUpdate, enableKinesis, nil},
	"DisableKinesisStreamingDestination":  {kinesisUpdate, changeKinesis, nil},
	"UpdateKinesisStreamingDestination":   {kinesisUpdate, changeKinesis, nil},
	"DescribeTableReplicaAutoScaling":     {tableOnly, describeScaling, nil},
	"UpdateTableReplicaAutoScaling":       {tableOnly, updateScaling, nil},
	"GetResourcePolicy":                   {policyRead, getResourcePolicy, nil},
	"DeleteResourcePolicy":                {policyDeletion, deleteResourcePolicy, nil},

	"CreateBackup":              {createBackupParameters, createBackup, nil},
	"DescribeBackup":            {backupOnly, describeBackup, nil},
	"DeleteBackup":              {backupOnly, deleteBackup, nil},
	"ListBackups":               {listBackupsParameters, listBackups, nil},
	"RestoreTableFromBackup":    {restoreBackupParameters, restoreTableFromBackup, nil},
	"DescribeContinuousBackups": {tableOnly, describeContinuousBackups, nil},
	"UpdateContinuousBackups":   {updateContinuousParameters, updateContinuousBackups, nil},
	"RestoreTableToPointInTime": {restoreTimeParameters, restoreTableToPointInTime, nil},
	"ExportTableToPointInTime":  {exportParameters, exportTable, nil},
	"DescribeExport":            {exportOnly, describeJob(backup.Export, "ExportArn", "ExportNotFoundException"), nil},
	"ListExports":               {listExportsParameters, listExports, nil},
	"ImportTable":               {importParameters, importTable, nil},
	"DescribeImport":            {importOnly, describeJob(backup.Import, "ImportArn", "ImportNotFoundException"), nil},
	"ListImports":               {listImportsParameters, listImports, nil},
}
