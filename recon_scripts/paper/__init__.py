"""The experiments of the BW-ReLU paper, one script a figure, all on the one `fit`."""
