"""The tests mirror the tree of the packages; the laws, the rooms and the examples stand above."""
