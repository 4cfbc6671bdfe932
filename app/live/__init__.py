"""The live camera: its component for the browser."""
