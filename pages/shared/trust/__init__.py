"""The tabs of the page Performance, one module each, and the tables and charts in them."""
