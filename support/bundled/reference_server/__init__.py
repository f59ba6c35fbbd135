"""The reference server: the real mistral.rs engine behind the command line and HTTP API of `mistralrs`.

The engine is PyPI's `mistralrs`: the suite runs without the binary. The rest is kept small; what the engine's
Python package cannot do is rejected, never ignored.

cli              the command line `mistralrs-reference`
loading          model options -> a loaded engine
engine           generation streams, embeddings, token counts
serve            `serve`: load, listen, serve
options          options of the HTTP server
http             the HTTP API
json_fields      strict reading of JSON bodies
schemas          request bodies of the OpenAI API
response_shapes  response bodies
stream_bridge    the engine's blocking streams -> the event loop
metrics          Prometheus metrics
request_metrics  request ids, HTTP metrics, the access log
mcp_server       `--mcp-port`: the model as an MCP tool
mcp_client       `--mcp-config`: MCP servers with tools for the model
interactive      `run`: a chat in the terminal
doctor           `doctor`: a short diagnosis
logs             log lines in the engine's format
"""
