"""Products that the suite starts as programs: they import nothing else of `support`, nor each other.

ollama_gateway    a server of the Ollama API in front of an OpenAI-compatible server
reference_server  the real mistral.rs engine behind the command line and HTTP API of `mistralrs`
"""
