"""The stage: a browser component for linked 3D scenes and charts, the data it gets, and the files it makes."""
