"""`python -m cove` is the `cove` command."""

from cove.cli.main import main

if __name__ == "__main__":
    main()
