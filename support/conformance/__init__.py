"""API contracts as data: a case is a request and what its answer must be; the engine asks and judges.

cases       the tables (`cases/<api>/*.toml`), read and checked
requests    a case's request as bytes, with the names of the served models filled in
reading     what came back: framing, strict JSON, one view for whole answers and streams
contracts   what every answer of a kind has to keep: official type, own model, invariants
matching    what a single case expects beyond that
engine      one case asked of one server, layer by layer
lacking     routes that a server does not have
comparison  the same case asked of other servers, for the matrix
apis        the APIs there are
"""
