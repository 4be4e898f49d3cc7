"""The inner loops: register tile, Gram matrices, gradients in double-double, threads, compiled-code cache.

Arrays in, arrays out: nothing here knows of models, losses or estimators. `reference` states each kernel in NumPy.
"""
