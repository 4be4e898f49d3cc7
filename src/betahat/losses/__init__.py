"""Losses L(y, f) with their first two derivatives in the prediction f; one file a family.

Nothing here knows how f was computed or how β moves.
"""
