"""What the figures of `model.looks` mean, in plain sentences; the first is the one to read.

The page and the report say the same. What is wanted are the goals that this classifier was made
for, so that good and bad figures alike get their sentence.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict
from functools import reduce
from typing import Any

from model.language import N_, _
from model.looks import Against, GateFigures, HeatInLungs, Heatmaps, MapFigures, Shortcuts
from model.metrics import Estimate, Rate
from model.phrases import translated

ONLY_WANTED = 0.97  # AUROC with nothing but the lungs
REMOVED_WANTED = 0.85  # AUROC without them, at most; published networks keep .95 to .98
RATIO_WANTED = 1.8  # share of the heat in the lungs over their share of the film
P_WANTED = 0.001
CHESTS_LOST = 0.01  # of the split, not accepted
OTHERS_REFUSED = 0.99  # of images that are no frontal chest X-ray

WANTED = {
    "lungs": N_(
        "Wanted: AUROC of {only:g} or more with the lungs only and of {removed:g} or less without "
        "them; {ratio:g} times the heat of chance."
    ),
    "heatmaps": N_("Wanted: better than both controls both ways, p < {p:g}."),
    "gate": N_(
        "Wanted: at most {lost:g} % of the split not accepted, at least {refused:g} % of other "
        "images refused."
    ),
}


def wanted(tab: str) -> str:
    """The goals behind the sentences of a key of WANTED."""
    return _(
        WANTED[tab],
        only=ONLY_WANTED,
        removed=REMOVED_WANTED,
        ratio=RATIO_WANTED,
        p=P_WANTED,
        lost=100 * CHESTS_LOST,
        refused=100 * OTHERS_REFUSED,
    )


# (needs the lungs, has enough with the lungs) -> what that means
_READS = {
    (True, True): N_(
        "It reads the lungs: with the lungs taken away AUROC falls to {removed}, with nothing but "
        "the lungs to see it stays at {only}, and on the X-rays as they are it is {whole}."
    ),
    (True, False): N_(
        "It needs the lungs, but not the lungs alone: with the lungs taken away AUROC falls to "
        "{removed}, with nothing but the lungs to see it falls to {only}, and on the X-rays as "
        "they are it is {whole}."
    ),
    (False, True): N_(
        "The lungs are enough for it, but it can do without them: with the lungs taken away AUROC "
        "is still {removed}, with nothing but the lungs to see it stays at {only}, and on the "
        "X-rays as they are it is {whole}."
    ),
    (False, False): N_(
        "It goes much by what is outside the lungs: with the lungs taken away AUROC is still "
        "{removed}, with nothing but the lungs to see it falls to {only}, and on the X-rays as "
        "they are it is {whole}."
    ),
}
_TAKEN_AWAY = {
    True: N_(
        "The lungs are taken away in several ways; the first figure is the highest, that of "
        "“{way}”. At most {most:g} is wanted. The outline of what was taken away can be seen, and "
        "the chest around it, so 0.5, which is guessing, is out of reach."
    ),
    False: N_(
        "The lungs are taken away in several ways; the first figure is the highest, that of "
        "“{way}”. At most {most:g} is wanted. So something outside the lungs tells it much of the "
        "answer, such as how the film was made: do not take its verdict for a finding in the lungs."
    ),
}
_NO_HEAT = N_(
    "No X-ray was called pneumonia with heat and lungs found in it, so no heat is counted."
)
_HEAT = N_(
    "{share} of the heat lies in the lungs, which cover {area} of the film: {ratio:.1f} times the "
    "heat of chance (95 % interval {low:.1f} to {high:.1f}), {judgement}. Counted in {n:,} X-rays "
    "that it calls pneumonia."
)


def lungs(found: Shortcuts) -> list[str]:
    """Does it read the lungs, or what is beside them?"""
    whole, only, removed = (each.auroc for each in (found.whole, found.only, found.removed))
    if math.isnan(removed.value + only.value + whole.value):
        return [_("AUROC is unknown: these X-rays do not have both labels.")]
    needs, suffices = removed.value <= REMOVED_WANTED, only.value >= ONLY_WANTED
    way = translated(found.removed.title)
    figures = {"removed": _auroc(removed), "only": _auroc(only), "whole": _auroc(whole)}
    return [
        _(_READS[needs, suffices], **figures),
        _(_TAKEN_AWAY[needs], way=way, most=REMOVED_WANTED),
        _heat(found.heat)
        if found.heat
        else _(
            "No X-ray was called pneumonia with heat and lungs found in it, so no heat is counted."
        ),
    ]


def _heat(heat: HeatInLungs) -> str:
    ratio = heat.ratio
    if ratio.low > 1 and ratio.value >= RATIO_WANTED:
        judgement = _("as wanted")
    elif ratio.low > 1:
        judgement = _("less than the {ratio:g} wanted", ratio=RATIO_WANTED)
    elif ratio.high < 1:
        judgement = _("less than chance would put there")
    else:
        judgement = _("no more than chance would put there")
    return _(
        _HEAT,
        share=_percent(heat.share.value),
        area=_percent(heat.area),
        ratio=ratio.value,
        low=ratio.low,
        high=ratio.high,
        judgement=judgement,
        n=len(heat.shares),
    )


def heatmaps(found: Heatmaps) -> list[str]:
    """Can the heatmap be believed?"""
    verdicts = [_verdict(found, each) for each in found.offered]
    figures = [_areas(found, each) for each in found.offered]
    return [" ".join(verdicts), *figures, *_randomisation(found), *_samples(found)]


def _verdict(found: Heatmaps, each: MapFigures) -> str:
    failed = [rival for rival in each.against if not beats(found, each, rival)]
    rivals = _all(
        _("“{title}”", title=translated(found.control(rival.name).title))
        for rival in failed or each.against
    )
    title = translated(each.title)
    if failed:
        return _("{map} is not shown to be better than {controls}.", map=title, controls=rivals)
    return _("{map} marks what decides, better than {controls}.", map=title, controls=rivals)


def _areas(found: Heatmaps, each: MapFigures) -> str:
    rivals = _all(
        _(
            "{deletion:.3f} and {insertion:.3f} for “{control}”",
            deletion=rival.deletion.auc.value,
            insertion=rival.insertion.auc.value,
            control=translated(rival.title),
        )
        for rival in (found.control(test.name) for test in each.against)
    )
    return _(
        "Area under the curve of the probability, with {map}: {deletion:.3f} as the hottest places "
        "are blurred first (lower is better) and {insertion:.3f} as they alone are sharp first "
        "(higher is better), against {controls}.",
        map=translated(each.title),
        deletion=each.deletion.auc.value,
        insertion=each.insertion.auc.value,
        controls=rivals,
    )


def _all(parts: Iterable[str]) -> str:
    return reduce(lambda several, one: _("{several} and {one}", several=several, one=one), parts)


def beats(found: Heatmaps, each: MapFigures, rival: Against) -> bool:
    """Whether a map is better than a control both ways, and not by chance."""
    other = found.control(rival.name)
    return (
        each.deletion.auc.value < other.deletion.auc.value
        and each.insertion.auc.value > other.insertion.auc.value
        and max(rival.deletion_p, rival.insertion_p) < P_WANTED
    )


_RANDOMISED = {
    True: N_(
        "The map is lost as all layers are made random, so it shows what they know: the similarity "
        "to the true map is then {similarity:.2f}, below the {others:.2f} of maps of different "
        "X-rays."
    ),
    False: N_(
        "The map is not lost as all layers are made random, so it shows more of the film than of "
        "what they know: the similarity to the true map is then {similarity:.2f}, not below the "
        "{others:.2f} of maps of different X-rays."
    ),
}


def _randomisation(found: Heatmaps) -> list[str]:
    told = found.randomisation
    if told is None:
        return []
    return [_(_RANDOMISED[told.passes], similarity=told.similarity[-1], others=told.random_pairs)]


def _samples(found: Heatmaps) -> list[str]:
    if not found.samples:
        return []
    right = sum(sample.is_right for sample in found.samples)
    return [
        _(
            "On {right} of {n} drawn X-rays with a shadow in one lung the centre of the heat lies "
            "on its side.",
            right=right,
            n=len(found.samples),
        )
    ]


# (reads the X-rays of the split, refuses other images: None where there are none) -> the verdict
_JUDGED = {
    (True, None): N_("It reads the X-rays it should read"),
    (False, None): N_("It turns away the X-rays it should read"),
    (True, True): N_("It reads what it should and refuses the rest"),
    (True, False): N_("It reads what it should, but also some images that it should refuse"),
    (False, True): N_("It refuses other images, but also doubts X-rays that it should read"),
    (False, False): N_(
        "It doubts X-rays that it should read and reads images that it should refuse"
    ),
}
_OF_SPLIT = N_("{verdict}: of the {n:,} X-rays of the split {refused} and {unusual}.")
_OF_ALL = N_(
    "{verdict}: of the {n:,} X-rays of the split {refused} and {unusual}; of {others:,} images "
    "that are no frontal chest X-ray {stopped} ({share})."
)
# `gate_statistics.FILM_MARGIN`, which every version has.
WIDENED = N_(
    "The limit between accepted and unusual was widened after the official test split had been "
    "opened, where 8 of 624 X-rays were not accepted before: there that count is flattered. No "
    "probability depends on it."
)


def gate(found: GateFigures) -> list[str]:
    """Does it read what it should, and nothing else?"""
    split, others = found.groups[0], found.no_chests
    lost = split.num_images - split.accepted.numerator
    share = lost / split.num_images if split.num_images else 0.0
    keeps = share <= CHESTS_LOST
    values: dict[str, Any] = {
        "n": split.num_images,
        "refused": _refused(split.refused),
        "unusual": _unusual(split.unusual),
    }
    if not others.denominator:
        return [_(_OF_SPLIT, verdict=_(_JUDGED[keeps, None]), **values)]
    values["verdict"] = _(_JUDGED[keeps, others.value >= OTHERS_REFUSED])
    values |= {"others": others.denominator, "stopped": _refused(others)}
    return [_(_OF_ALL, share=_percent(others.value), **values), *_weakest(found)]


def _weakest(found: GateFigures) -> list[str]:
    groups = [g for g in found.groups if not g.is_chest and g.refused.value < OTHERS_REFUSED]
    if not groups:
        return []
    worst = min(groups, key=lambda group: group.refused.value)
    return [
        _(
            "It is weakest on “{images}”: {refused:,} of {n:,} are refused.",
            images=translated(worst.title),
            refused=worst.refused.numerator,
            n=worst.num_images,
        )
    ]


def _refused(rate: Rate) -> str:
    if rate.numerator == 1:
        return _("1 is refused")
    return _("{n:,} are refused", n=rate.numerator)


def _unusual(rate: Rate) -> str:
    if rate.numerator == 1:
        return _("1 is called unusual")
    return _("{n:,} are called unusual", n=rate.numerator)


def _auroc(estimate: Estimate) -> str:
    return _("{value:.3f} ({low:.3f} to {high:.3f})", **asdict(estimate))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %".replace(".0 %", " %")
