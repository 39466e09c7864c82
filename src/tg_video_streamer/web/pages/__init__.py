"""The pages of the control room: one module a page, and what they share."""
