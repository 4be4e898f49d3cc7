"""Fits in words and pictures: explanations, versions. Sees results through their attributes only.

Nothing here computes a fit or a statistic, and nothing here knows an estimator.
"""
