"""Checks that take several requests.

ollama     the Ollama API, and its official client
responses  the Responses API
anthropic  the Messages API
"""
