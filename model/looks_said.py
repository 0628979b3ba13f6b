"""What the figures of `model.looks` mean, in plain sentences; the first is the one to read.

The page and the report say the same. What is wanted are the goals that this classifier was made
for, so that good and bad figures alike get their sentence.
"""

import math
from collections.abc import Sequence

from model.looks import Against, GateFigures, HeatInLungs, Heatmaps, MapFigures, Shortcuts
from model.metrics import Estimate, Rate

ONLY_WANTED = 0.97  # AUROC with nothing but the lungs
REMOVED_WANTED = 0.85  # AUROC without them, at most; published networks keep .95 to .98
RATIO_WANTED = 1.8  # share of the heat in the lungs over their share of the film
P_WANTED = 0.001
CHESTS_LOST = 0.01  # of the split, not accepted
OTHERS_REFUSED = 0.99  # of images that are no frontal chest X-ray

WANTED = {
    "lungs": f"Wanted: AUROC of {ONLY_WANTED:g} or more with the lungs only and of "
    f"{REMOVED_WANTED:g} or less without them; {RATIO_WANTED:g} times the heat of chance.",
    "heatmaps": f"Wanted: better than both controls both ways, p < {P_WANTED:g}.",
    "gate": f"Wanted: at most {100 * CHESTS_LOST:g} % of the split not accepted, at least "
    f"{100 * OTHERS_REFUSED:g} % of other images refused.",
}


def lungs(found: Shortcuts) -> list[str]:
    """Does it read the lungs, or what is beside them?"""
    whole, only, removed = (each.auroc for each in (found.whole, found.only, found.removed))
    if math.isnan(removed.value + only.value + whole.value):
        return ["AUROC is unknown: these X-rays do not have both labels."]
    needs, suffices = removed.value <= REMOVED_WANTED, only.value >= ONLY_WANTED
    if needs and suffices:
        verdict = "It reads the lungs"
    elif needs:
        verdict = "It needs the lungs, but not the lungs alone"
    elif suffices:
        verdict = "The lungs are enough for it, but it can do without them"
    else:
        verdict = "It goes much by what is outside the lungs"
    falls = "falls to" if needs else "is still"
    stays = "stays at" if suffices else "falls to"
    return [
        f"{verdict}: with the lungs taken away AUROC {falls} {_auroc(removed)}, with nothing but "
        f"the lungs to see it {stays} {_auroc(only)}, and on the X-rays as they are it is "
        f"{_auroc(whole)}.",
        f"The lungs are taken away in several ways; the first figure is the highest, that of "
        f"“{found.removed.title}”. {_removed(needs)}",
        _heat(found.heat) if found.heat else _NO_HEAT,
    ]


_NO_HEAT = "No X-ray was called pneumonia with heat and lungs found in it, so no heat is counted."


def _removed(needs: bool) -> str:
    if needs:
        return (
            f"At most {REMOVED_WANTED:g} is wanted. The outline of what was taken away can be "
            "seen, and the chest around it, so 0.5, which is guessing, is out of reach."
        )
    return (
        f"At most {REMOVED_WANTED:g} is wanted. So something outside the lungs tells it much of "
        "the answer, such as how the film was made: do not take its verdict for a finding in the "
        "lungs."
    )


def _heat(heat: HeatInLungs) -> str:
    ratio = heat.ratio
    if ratio.low > 1:
        than = (
            "as wanted" if ratio.value >= RATIO_WANTED else f"less than the {RATIO_WANTED:g} wanted"
        )
    elif ratio.high < 1:
        than = "less than chance would put there"
    else:
        than = "no more than chance would put there"
    return (
        f"{_percent(heat.share.value)} of the heat lies in the lungs, which cover "
        f"{_percent(heat.area)} of the film: {ratio.value:.1f} times the heat of chance (95 % "
        f"interval {ratio.low:.1f} to {ratio.high:.1f}), {than}. Counted in {len(heat.shares):,} "
        "X-rays that it calls pneumonia."
    )


def heatmaps(found: Heatmaps) -> list[str]:
    """Can the heatmap be believed?"""
    verdicts = [_verdict(found, each) for each in found.offered]
    figures = [_areas(found, each) for each in found.offered]
    return [" ".join(verdicts), *figures, *_randomisation(found), *_samples(found)]


def _verdict(found: Heatmaps, each: MapFigures) -> str:
    tests = each.against
    if all(beats(found, each, rival) for rival in tests):
        return f"{each.title} marks what decides, better than {_titles(found, tests)}."
    failed = [rival for rival in tests if not beats(found, each, rival)]
    return f"{each.title} is not shown to be better than {_titles(found, failed)}."


def _titles(found: Heatmaps, rivals: Sequence[Against]) -> str:
    return " and ".join(f"“{found.control(rival.name).title}”" for rival in rivals)


def _areas(found: Heatmaps, each: MapFigures) -> str:
    rivals = " and ".join(
        f"{rival.deletion.auc.value:.3f} and {rival.insertion.auc.value:.3f} for “{rival.title}”"
        for rival in (found.control(test.name) for test in each.against)
    )
    return (
        f"Area under the curve of the probability, with {each.title}: "
        f"{each.deletion.auc.value:.3f} as the hottest places are blurred first (lower is better) "
        f"and {each.insertion.auc.value:.3f} as they alone are sharp first (higher is better), "
        f"against {rivals}."
    )


def beats(found: Heatmaps, each: MapFigures, rival: Against) -> bool:
    """Whether a map is better than a control both ways, and not by chance."""
    other = found.control(rival.name)
    return (
        each.deletion.auc.value < other.deletion.auc.value
        and each.insertion.auc.value > other.insertion.auc.value
        and max(rival.deletion_p, rival.insertion_p) < P_WANTED
    )


def _randomisation(found: Heatmaps) -> list[str]:
    told = found.randomisation
    if told is None:
        return []
    figures = (
        f"the similarity to the true map is then {told.similarity[-1]:.2f}, "
        f"{'' if told.passes else 'not '}below the {told.random_pairs:.2f} of maps of different "
        "X-rays"
    )
    if told.passes:
        return [
            f"The map is lost as all layers are made random, so it shows what they know: {figures}."
        ]
    return [
        "The map is not lost as all layers are made random, so it shows more of the film than of "
        f"what they know: {figures}."
    ]


def _samples(found: Heatmaps) -> list[str]:
    if not found.samples:
        return []
    right = sum(sample.is_right for sample in found.samples)
    return [
        f"On {right} of {len(found.samples)} drawn X-rays with a shadow in one lung the centre of "
        "the heat lies on its side."
    ]


def gate(found: GateFigures) -> list[str]:
    """Does it read what it should, and nothing else?"""
    split, others = found.groups[0], found.no_chests
    lost = split.num_images - split.accepted.numerator
    share = lost / split.num_images if split.num_images else 0.0
    keeps = share <= CHESTS_LOST
    said = (
        f"of the {split.num_images:,} X-rays of the split {_count(split.refused)} refused and "
        f"{_count(split.unusual)} called unusual"
    )
    if not others.denominator:
        return [f"{'It reads' if keeps else 'It turns away'} the X-rays it should read: {said}."]
    stops = others.value >= OTHERS_REFUSED
    if keeps and stops:
        verdict = "It reads what it should and refuses the rest"
    elif keeps:
        verdict = "It reads what it should, but also some images that it should refuse"
    elif stops:
        verdict = "It refuses other images, but also doubts X-rays that it should read"
    else:
        verdict = "It doubts X-rays that it should read and reads images that it should refuse"
    return [
        f"{verdict}: {said}; of {others.denominator:,} images that are no frontal chest X-ray "
        f"{_count(others)} refused ({_percent(others.value)}).",
        *_weakest(found),
    ]


def _weakest(found: GateFigures) -> list[str]:
    groups = [g for g in found.groups if not g.is_chest and g.refused.value < OTHERS_REFUSED]
    if not groups:
        return []
    worst = min(groups, key=lambda group: group.refused.value)
    return [
        f"It is weakest on “{worst.title}”: {worst.refused.numerator:,} of {worst.num_images:,} "
        "are refused."
    ]


def _count(rate: Rate) -> str:
    return f"{rate.numerator:,} {'is' if rate.numerator == 1 else 'are'}"


def _auroc(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %".replace(".0 %", " %")
