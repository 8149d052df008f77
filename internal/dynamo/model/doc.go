// Package model says in the simplest way what DynamoDB's documentation promises:
// maps in memory, numbers as fractions, expressions read anew for each request,
// everything sorted when it is asked for. It shares no code with the server, so
// that the two can be held against each other; package differ does.
//
//	m := model.New()
//	m.Ask("CreateTable", table)
//	answer := m.Ask("PutItem", request)
//
// It is not safe for concurrent use, and knows neither time nor regions.
package model
