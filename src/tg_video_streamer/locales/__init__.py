"""Every text for people: messages as keys with values, and one table a language."""
