"""The HTTP API under `/api/v1`: the same engine and stores as the page, typed at the edge."""
