# Nothing of it is for Python: see state.pyi.
