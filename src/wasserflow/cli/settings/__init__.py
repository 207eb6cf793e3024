"""The settings of methods, as options give them."""
