"""The reference stack: the real mistral.rs engine behind the command line and HTTP of `mistralrs`.

The engine is PyPI's `mistralrs`. It is there for the first minute, on a machine without the binary. What is
added to the engine is held small; what its Python package cannot do is refused, never ignored.
"""
