"""Readers of source files, one a format: bytes become blocks, blocks become chunks.

`blocks` and `pieces` say what is handed over, `chunking` and `tables` make chunks of it, `apart`
runs the readers that stand on native or hostile-input-prone libraries in a process of their own.
"""
