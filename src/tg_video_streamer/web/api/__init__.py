"""The JSON API: the same verbs as everywhere, for programs, and the document that describes it."""
