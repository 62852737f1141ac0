"""Pure functions, one module a field: no network, no clock, no state.

None of them raises on missing or bad data. A missing value gives `None`; one that is there but wrong gives an
answer with `valid` set to false.
"""
