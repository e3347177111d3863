"""Text to tokens and back for every kind of vocabulary, without torch or transformers."""
