"""The pictures of the performance report."""

from model.performance_report import figures


def test_figures_do_not_change_the_style_of_others(gathered):
    import matplotlib

    before = dict(matplotlib.rcParams)
    assert figures.roc(gathered.row).startswith(b"\x89PNG")
    assert dict(matplotlib.rcParams) == before
