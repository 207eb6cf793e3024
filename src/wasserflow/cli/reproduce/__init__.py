"""`wasserflow reproduce`: a module for each command, and beside it its tables, flows and figures."""
