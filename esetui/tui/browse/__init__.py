"""The browser behind its screen: windows over the rows of a table, a filter, and the thread that reads them."""
