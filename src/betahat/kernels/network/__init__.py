"""Compiled operations of networks: a program of them, with addresses, is run for many mini-batches at once.

Nothing here knows layers; engines lower these to programs.
"""
