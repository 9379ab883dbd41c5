"""Runs a Transformer over a data set and writes a collateral file.

``interpret-extract run`` is the way in (:mod:`extract.cli`); :func:`extract.pipeline.run` is the
same for Python. Importing this package alone loads neither torch nor transformers.
"""
