"""Kernels that start warm: one process imports everything once, every page is forked from it.

Here live the warm process (`server`), its client and Jupyter provisioner (`warm`), and the
papermill engine that runs a page in such a kernel (`engine`). Here live no pages and no batch.
"""
