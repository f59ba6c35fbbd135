"""Models made on the spot: speaking ones (they say what a script tells them), dice, random and broken ones.

The one public face is `support.models.store.ModelStore`.
"""
