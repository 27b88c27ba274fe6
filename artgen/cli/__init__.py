"""One module per subcommand: arguments in, one call, a report out."""
