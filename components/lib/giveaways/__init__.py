"""Columns that may be known only once the answer is: a discharge status, a time to treatment that only the ill have.

Every column is held against the target alone: its order, its words, whether its cells are empty, and its difference
to every other number of its size. A strong predictor looks like a leak: these are questions for who knows the data, and
no verdicts. `clean.allowed` of the task file answers them.
"""

from components.lib.giveaways.look import ASK, Giveaway, Table, by_line, look, names_of
from components.lib.giveaways.scores import ENOUGH

__all__ = ["ASK", "ENOUGH", "Giveaway", "Table", "by_line", "look", "names_of"]
