"""Models made on the spot: speaking ones (they say what a script tells them), random and broken ones.

The one public face is `support.models.store.ModelStore`.
"""
