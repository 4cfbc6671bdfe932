"""One module a page; every page is a function that draws itself."""
