"""A table of the performance report."""

from model.metrics import wilson
from model.performance_report import table


def test_a_table_has_raw_numbers_in_the_csv_and_words_on_the_page():
    made = table.Table(
        "made", (table.text("name", "Name", 1), table.rate("found", "Found")),
        [("ä, b", wilson(1, 3)), ("", wilson(0, 0))],
    )  # fmt: skip
    assert made.csv().splitlines()[0] == (
        "name,found,found_low,found_high,found_numerator,found_denominator"
    )
    assert made.csv().splitlines()[1].startswith('"ä, b",0.3333333333333333,')
    assert made.csv().splitlines()[2] == ",,0.0,1.0,0,0"
    assert made.cells() == [["ä, b", "33.3 % (6.1 to 79.2)"], ["not known", "not known"]]
