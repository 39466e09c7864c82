"""The page, the preview, health and status over HTTP."""
