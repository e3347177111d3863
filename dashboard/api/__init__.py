"""The HTTP API: typed calls over the same engine and stores as the page."""
