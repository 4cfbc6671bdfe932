"""Cached calls into the core: a page asks here, and nothing is computed twice."""
