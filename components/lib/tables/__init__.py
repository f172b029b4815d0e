"""Tables as hospitals keep them: their form is recognised from their bytes, kept as settings, and read by them."""

from components.lib.tables.form import PLAIN_FORM, ColumnForm, TableForm
from components.lib.tables.limits import check_parquet
from components.lib.tables.lines import Ends, LineForm, recognise_lines
from components.lib.tables.read import FORMATS, SUFFIXES, TableText, column_names, is_table_name, read_chunks, read_text
from components.lib.tables.recognise import Recognised, recognise

__all__ = [
    "FORMATS",
    "PLAIN_FORM",
    "SUFFIXES",
    "ColumnForm",
    "Ends",
    "LineForm",
    "Recognised",
    "TableForm",
    "TableText",
    "check_parquet",
    "column_names",
    "is_table_name",
    "read_chunks",
    "read_text",
    "recognise",
    "recognise_lines",
]
