"""Third-party clients: SDKs, LangChain, Ollama's command."""
