"""The web pages, the live preview, the JSON API and the health check."""
