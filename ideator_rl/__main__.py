"""`python -m ideator_rl` is `ideator-rl`."""

from ideator_rl.cli import main

main()
