"""Contract 2: the encoded corpus. States, sentence pairs, indexes and maps; writing, opening and searching them."""
