"""Who may look and who may change: tokens, sign-in, cookies, roles, and protection from foreign pages."""
