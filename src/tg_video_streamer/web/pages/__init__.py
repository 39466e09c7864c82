"""The pages: one module a page, and what they share."""
