"""Who may look and who may change: tokens, sign-in, cookies, roles, and what keeps foreign pages out."""
