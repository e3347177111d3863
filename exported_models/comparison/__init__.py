"""Two answered requests side by side: aligned words, scores, attention and beam trees, and a reference beside them."""
