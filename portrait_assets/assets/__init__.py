"""Software-defined assets: thin. Each asks the warehouse, calls a kernel or a `.sql` file, writes one window."""
