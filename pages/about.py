"""Intended use, limits, data and licences."""

import streamlit as st

from model.errors import BundleError
from model.language import N_, _
from model.phrases import translated
from pages.shared import services

WHAT_IT_IS = N_(
    """
Pneumoscope shows how likely it is that a child's chest X-ray shows pneumonia, where a VGG16
classifier found evidence for it, and what a decision at your threshold would mean for a hundred
children.

**Intended use.** Research and teaching. It is not a medical device, it has not been tested in a
clinic, and it does not replace the reading of a film.

**What it cannot do.**
- It knows one question: pneumonia or not. Other findings are neither seen nor excluded.
- It was trained on antero-posterior films of children of one to five years from one hospital. On
  other ages, machines and views its figures do not hold.
- The heatmap shows *where* evidence was found, not *why*, and it is coarse.
- The gate that refuses what is no upright frontal chest X-ray was never tried on real hands or
  films from the side: it may accept one.

**What is kept.** Of a visitor's films nothing: a film stays in the memory of your session and is
gone with it. When you have a refused image read all the same, that is recorded, without the image.
Of who signs in: worklists with the names of their files and what was read, reviews, who did what
when, and the picture of a film where the reader ticked that it be kept. Of a DICOM file only the
pixels, the modality, the view, the age and the pixel spacing are read.
"""
)
CLASSIFIER = N_(
    """
**The classifier.** Version `{version}`: {network}, read at
{side} x {side} px, trained on {num_training:,} X-rays and chosen
on {num_validation:,} of other children, temperature {temperature:.2f}.
"""
)
SOURCES = N_(
    """
**Data.** D. Kermany, K. Zhang, M. Goldbaum: *Labeled Optical Coherence Tomography (OCT) and Chest
X-Ray Images for Classification*, Mendeley Data,
[doi 10.17632/rscbjbr9sj](https://doi.org/10.17632/rscbjbr9sj), CC BY 4.0.

**Samples.** Synthetic: drawn by a program, of no patient. They were tuned until the classifier read
them as meant, so they show how the tool works and say nothing about how good it is.

**Methods.** VGG16: Simonyan and Zisserman 2015. Grad-CAM: Selvaraju et al. 2017. Temperature
scaling: Guo et al. 2017. Intervals: Wilson 1927.

**Licence.** MIT, code and weights.
"""
)

st.title(_("About Pneumoscope"))
st.markdown(_(WHAT_IT_IS))
try:
    bundle = services.bundle()
except BundleError as error:
    st.error(str(error), icon=":material/error:")
else:
    training = bundle.training
    st.markdown(
        _(
            CLASSIFIER,
            version=bundle.model_version,
            network=bundle.network.upper(),
            side=bundle.input_px,
            num_training=training["num_training"],
            num_validation=training["num_validation"],
            temperature=bundle.temperature,
        )
    )
    st.table(
        [
            {
                _("Operating point"): translated(point.name),
                _("Threshold"): f"{point.threshold:g}",
                _("Rule"): translated(point.rule),
                _("Chosen on"): translated(point.chosen_on),
            }
            for point in bundle.operating_points
        ]
    )

st.markdown(_(SOURCES))
