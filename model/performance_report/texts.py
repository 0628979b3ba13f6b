"""What every performance report says, whatever its figures: purpose, words, captions, limits."""

PURPOSE = (
    "Pneumoscope reads a chest X-ray of a child and gives the probability that it shows pneumonia, "
    "and a heatmap of where it found evidence. It is decision support for research and teaching. "
    "<b>It is not a medical device</b>, it has not been tested in a clinic, and a person reads "
    "every X-ray. It was trained and measured on X-rays of children of one to five years from one "
    "hospital; elsewhere its figures may not hold."
)
GLOSSARY = [
    "<b>Found</b>: pneumonia that is called pneumonia. <b>Missed</b>: pneumonia that is called "
    "normal. <b>Called back</b>: normal, but called pneumonia, so looked at again. "
    "<b>Cleared</b>: normal and called normal.",
    "<b>Sensitivity</b>: of those with pneumonia, the share found. <b>Specificity</b>: of those "
    "without, the share cleared. Raising one lowers the other.",
    "<b>Threshold</b>: from this probability on, an X-ray is called pneumonia. A threshold with a "
    "name and a rule is an <b>operating point</b>.",
    "<b>Reference label</b>: what experts said about the X-ray. Right and wrong mean agreement "
    "with it.",
]
ROC = (
    "Left: each point of the curve is a threshold; the nearer to the upper left corner, the "
    "better. Right: of the X-rays called pneumonia, how many have it. The dot is the default "
    "operating point."
)
GROUPS = (
    "By kind of pneumonia, each against all X-rays without; by size of the original where that is "
    "known. Specificity is the same in each group that is compared with the same normal X-rays."
)
THRESHOLD = (
    "Nobody can have both: a lower threshold finds more pneumonia and calls back more children "
    "without; a higher one spares them and misses more. The user of Pneumoscope sets it."
)
THRESHOLD_FIGURE = "Dotted lines: the named operating points and their thresholds."
CHOICE = (
    "Validation X-rays as they are may be too easy to choose a threshold on. Those served were "
    "chosen on them and on the same X-rays under changes that hospitals make. What both choices "
    "give on the test split:"
)
PROTOCOLS = (
    "official: the data set's own test split. grouped: a tenth of all X-rays, no child on both "
    "sides of the split. ungrouped: the same without regard to children, which flatters."
)
ADVICE = (
    "Each follows from the figures above by a fixed rule; another model version may get others."
)
LIMITS = [
    "One question only: pneumonia or not. Other findings are neither seen nor excluded.",
    "Antero-posterior X-rays of children of one to five years from one hospital in Guangzhou. For "
    "other ages, hospitals, machines and views nothing is shown here.",
    "The intervals say how far chance may carry the figures, not how far another hospital may.",
    "Rates count X-rays; several may be of one child, so their intervals are a little narrow. "
    "Intervals of AUROC and F1 draw whole children.",
    "The reference labels are those of the data set; they were read from X-rays, not proved by "
    "other tests.",
]
