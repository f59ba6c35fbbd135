"""HTTP as it is on the wire: exchanges, framing of streams, contracts of the APIs."""
