"""Runs a table of the paper from a clone, as `kdcl-reproduce` does; `--help` says how."""

from kdcl_tf import reproduce

if __name__ == "__main__":
    reproduce.cli()
