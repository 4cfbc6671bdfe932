"""The sidebar, the uploader and the download: controls that all pages share."""
