"""What the page shows, as values: the request, the history, and their form in a link."""
