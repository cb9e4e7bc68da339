"""Kernels that start warm: one process imports everything once, every notebook is forked from it.

Here live the warm process (`server`), and its client with the Jupyter provisioner and the papermill
engine that runs a notebook in such a kernel (`warm`). Nothing here knows the rest of
the package: which modules to import beforehand is an argument.
"""
