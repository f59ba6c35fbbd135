"""Models that the suite builds: scripted, known-distribution, embedding, random and corrupt ones.

`support.models.store.ModelStore` is the public interface.

broken               corrupt model files: 18 corruptions of a valid model (`broken.toml`)
categorical          the known-distribution model
compiler             compiles a script into the weights of a tiny llama
embedding            the embedding model
files                the files of a model: place and format; folders that are built once
gguf_details         what a GGUF file states about its model
llama                the tiny llama: shape, weights (also random ones), vocabulary
roles                the roles of models in checks
script               a script: keywords, answers, default (`scripts/*.toml`)
sized                random models of a chosen number of weights
store                `ModelStore`: builds models on first use
verification         verifies a built model on the real engine, in a process of its own
verification_worker  that process: loads one model and sends it requests
vocabulary           the tokenizer of the tiny models: byte-level BPE
writers              writes GGUF, SafeTensors and GGML files
"""
