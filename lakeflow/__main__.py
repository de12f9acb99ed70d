"""`python -m lakeflow` is the `lakeflow` command."""

from lakeflow.cli.main import main

if __name__ == "__main__":
    main()
