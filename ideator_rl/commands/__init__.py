"""The subcommands of `ideator-rl`: each module has `add_parser(commands)`."""
