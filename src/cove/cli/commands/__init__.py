"""One module per command, imported only when that command is called by `cove.cli.main`."""
