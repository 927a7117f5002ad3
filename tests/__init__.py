import gc

# Until everything is loaded, which stays: see `pytest_collection_finish` in conftest.py.
gc.disable()
