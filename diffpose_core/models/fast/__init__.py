"""The quick forms of the networks: the same numbers as the plain layers, in less time."""
