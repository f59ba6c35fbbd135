"""API conformance: what each API has to do as data, and the engine that checks it on a server.

api               the APIs by name: contracts, checks of a response, its normalized answer
oracles/          contracts of each API: official type, strict model, invariants
contract          `Contract`: what every response of one kind has to keep
case_table        the tables of cases and sequences, read and validated; checks by id and by group
request_builder   the request of a case as bytes for one server
response_parser   framing and JSON of a response
tool_calls        tool calls of every API: normalized form, assembly of streamed ones
matchers          conditions on one value of a response
case_runner       runs one case on one server; what a check found
sequence          `@sequence`: checks that take several requests, and the client that they use
sequences/        the sequences of each API
scenario          runs the checks of a group, each with its result
request_fields    fields of a response that repeat its request, as the model does
missing_routes    routes that a server lacks: listed in `optional_routes.toml`, or found in a run
comparison        the same case on other servers, for the matrix
"""
