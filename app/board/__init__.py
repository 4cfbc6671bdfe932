"""The board: a browser component for charts of results, and the specifications of its charts."""
