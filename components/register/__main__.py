"""`python -m components.register --help`."""

from components.lib.cli import run_step
from components.register import register

if __name__ == "__main__":
    run_step(register)
