"""What a correct response is, per API."""
