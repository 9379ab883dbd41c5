"""Collateral from elsewhere: the files of the paper's application, and arrays computed by others.

``interpret`` reads what InterpreT reads (a torch-saved dictionary and a CSV), ``arrays`` reads
safetensors and npz in the layout that is documented there and in ``docs/import.md``. Both turn
what they find into :class:`~extract.importers.common.Example`, which ``writing`` puts into a file.
"""
