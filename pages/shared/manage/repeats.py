"""One line below a comparison: what other folds and seeds of the same training have given."""

import streamlit as st

from model.bundle import Bundle
from model.language import N_, _
from model.versions import repeats
from pages.shared.drawing import plain

ALONE = N_("AUROC of its training's validation: {auroc}")
FOLDS = N_("over {n} folds {mean} ± {deviation} ({low} to {high})")
SEEDS = N_("over {n} seeds {mean} ± {deviation} ({low} to {high})")
CHOSEN = N_("It is the best of these seeds by its validation, not by the locked test set.")


def draw(bundle: Bundle) -> None:
    """Nothing for a version that was trained once."""
    found = repeats.of(bundle)
    if found is None:
        return
    parts = [_(ALONE, auroc=f"{found.auroc:.3f}")]
    for sentence, spread in ((FOLDS, found.folds), (SEEDS, found.seeds)):
        if spread:
            names = ("mean", "deviation", "low", "high")
            told = {name: f"{getattr(spread, name):.3f}" for name in names}
            parts.append(_(sentence, n=spread.n, **told))
    chosen = f" {_(CHOSEN)}" if found.seeds else ""
    st.caption(f"{plain(bundle.model_version)}. {'; '.join(parts)}.{chosen}")
