"""Who may read and who may change: tokens, sessions, lock-out."""
