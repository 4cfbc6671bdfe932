"""Specifications of a stage's panels, layers and charts as the browser reads them, and builders for them."""
