"""The bundled gateway: a server of the Ollama API in front of an OpenAI-compatible server.

It answers as Ollama 0.17.4, with the same error messages (server/routes.go and api/types.go of that version).
What the target cannot do is rejected with 501.

cli                 the command line `mistralrs-gateway`
routes              the routes of the Ollama API
middleware          Host and Origin checks, CORS, error responses, the access log
ollama_requests     request bodies, decoded as Go decodes them
sampling_options    `options` -> parameters of the target
request_translator  an Ollama request -> the target's request
stream_events       the target's stream: server-sent events and their content
answer_text         thinking and tool-call markup, tool calls, stop sequences
stream_translator   the target's events -> chunks of Ollama's answer
response_writer     chunks -> NDJSON lines, or one object
openai_routes       Ollama's OpenAI-compatible routes
proxy               /v1/*: passed to the target and back
model_registry      model names, what the target has loaded, keep_alive
gguf_metadata       metadata of a GGUF file, for /api/show and the lists
gguf_reader         the header of a GGUF file, read without numpy
upstream            calls and streams of the target
json_types          names for JSON documents
errors              the API level, unsupported routes, errors
"""
