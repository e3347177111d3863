"""A corpus and an exported model become the files of a state store."""
