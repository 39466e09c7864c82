"""Several hosts as one: who is on air, what the others know, and what they encode; imported only where FLEET is set."""
