"""Values of the page: the question of a pane, the shown request, the history, and their form in a link."""
