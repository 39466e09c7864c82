"""The pages' texts, one table a language."""
