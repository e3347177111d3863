"""Contract 2: the encoded corpus - its states, index and maps - and how to write and search them."""
