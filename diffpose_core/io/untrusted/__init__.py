"""Reading of untrusted files: bounded in size, time and memory, and never running their content.

Everything here raises InvalidInput that states the limit or the damage. `files` holds the limits; `text`, `json`,
`archive`, `arrays`, `npz`, `hdf5` and `pickle` read one kind of content each.
"""
