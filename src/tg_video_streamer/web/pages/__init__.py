"""The HTML pages, one module a page, and their shared parts."""
