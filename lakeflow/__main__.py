"""`python -m lakeflow` is the `lakeflow` command."""

from lakeflow.cli.main import program

if __name__ == "__main__":
    program()
