"""The bundled gateway: a server of the Ollama API in front of an OpenAI-compatible server.

What it answers is what Ollama 0.17.4 answers, word for word where a client may read the words
(server/routes.go and api/types.go of that version). What the target cannot do is refused with 501, never
pretended.

    requests  the body of a request, read as Go reads it    facts     a GGUF file, for /api/show and the lists
    options   `options` -> sampling fields of the target    models    names, and what the target has loaded
    bodies    a request -> the target's request             upstream  the target: calls, streams, failures
    answers   the target's stream -> Ollama's answer        server    routes, and the way through to /v1
"""
