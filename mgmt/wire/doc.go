// Package wire holds the JSON objects of the API, version 1: what the server
// (mgmt/api) sends and the client (mgmt/client) reads. It has no behaviour and
// imports nothing, so that the client carries no server code. The struct tags
// doc, minimum and so on feed the OpenAPI document. World W2.
//
// Fields are only ever added; a field's meaning and unit never change in /api/v1.
// Units are in the names: MiB, Bytes, Seconds.
package wire
