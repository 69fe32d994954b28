"""Captions: templates, edits, trigger words, and models that describe pictures."""
