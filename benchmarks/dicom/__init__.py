"""Reading a CT series and writing a SEG, beside the libraries that do the same."""
